import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import type { HoldfastError } from '@holdfast/errors';
import { onLine } from '@holdfast/fabric';

export interface GuestResult {
  /** Exit status of the script; undefined when the guest went off under it, as it was told to. */
  readonly status: number | undefined;
  /** What it printed, as UTF-8; when the power was cut, all that had been written by then. */
  readonly stdout: string;
  readonly stderr: string;
}

/** The directory that host and guest share, and the jobs on it. See agent.sh for the other side. */
export interface Desk {
  readonly directory: string;
  /** Listens to a guest that is being started; resolves when its agent is ready for jobs. */
  connect(line: Duplex): Promise<void>;
  /** The guest is off. Jobs under way end without a status, or by `reason` when nobody meant it to end. */
  disconnect(reason?: HoldfastError): void;
  /** Runs a bash script in the guest, beside the others under way; killed when it takes longer. `Infinity` lets it. */
  run(script: string, timeoutSeconds: number): Promise<GuestResult>;
}

interface Job {
  readonly end: (status: number | undefined) => void;
  readonly fail: (reason: HoldfastError) => void;
}

/** A job's output is kept in memory; larger things travel as files. */
const MAX_OUTPUT_BYTES = 64 << 20;

const AGENT = path.join(import.meta.dirname, 'agent.sh');

/** What an error calls a script. */
export const titleOf = (script: string): string => `script ${JSON.stringify(script.trim().slice(0, 200))}`;

/** `failure` makes the error for what went wrong, with whatever tells why. */
export const createDesk = async (directory: string, failure: (thing: string, why: string) => HoldfastError): Promise<Desk> => {
  const jobs = new Map<number, Job>();
  let lastJob = 0;
  let line: Duplex | undefined;
  await mkdir(directory);
  await copyFile(AGENT, path.join(directory, path.basename(AGENT)));

  const read = async (file: string, script: string): Promise<string> => {
    const { size } = await stat(file);
    if (size > MAX_OUTPUT_BYTES)
      throw failure(titleOf(script), `it printed ${size} bytes, more than ${MAX_OUTPUT_BYTES}: let it write a file and get that`);
    return readFile(file, 'utf8');
  };

  const connect = (opened: Duplex): Promise<void> =>
    new Promise((resolve) => {
      line = opened;
      onLine(opened, (text) => {
        const [verb, job, status] = text.split(' ');
        if (verb === 'ready') resolve();
        else if (verb === 'done') jobs.get(Number(job))?.end(Number(status));
      });
    });

  const disconnect = (reason?: HoldfastError): void => {
    line = undefined;
    for (const { end, fail } of jobs.values()) reason === undefined ? end(undefined) : fail(reason);
  };

  const run = async (script: string, timeoutSeconds: number): Promise<GuestResult> => {
    const id = ++lastJob;
    const place = path.join(directory, `${id}`);
    const outputs = [path.join(place, 'stdout'), path.join(place, 'stderr')] as const;
    await mkdir(place);
    await writeFile(path.join(place, 'script'), script);
    for (const output of outputs) await writeFile(output, '');

    let timer: NodeJS.Timeout | undefined;
    try {
      const status = await new Promise<number | undefined>((end, fail) => {
        if (line === undefined) return fail(failure(titleOf(script), 'the guest is off'));
        jobs.set(id, { end, fail });
        const late = () => {
          line?.write(`kill ${id}\n`);
          fail(failure(titleOf(script), `it did not end within ${timeoutSeconds} s`));
        };
        if (Number.isFinite(timeoutSeconds)) timer = setTimeout(late, timeoutSeconds * 1000);
        line.write(`run ${id}\n`);
      });
      const [stdout, stderr] = await Promise.all(outputs.map((output) => read(output, script)));
      return { status, stdout: stdout!, stderr: stderr! };
    } finally {
      clearTimeout(timer);
      jobs.delete(id);
      await rm(place, { recursive: true, force: true });
    }
  };

  return { directory, connect, disconnect, run };
};
