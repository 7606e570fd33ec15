import { appendFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem } from '@holdfast/errors';
import type { ProgramProcess } from '../../site/program-process.ts';
import type { RunContext } from '../context.ts';
import { identify } from '../host/processes.ts';
import { createInterruption } from '../interruption.ts';
import { createMachine, type LabMachine } from '../machine.ts';
import { parseOptions } from '../options.ts';
import { createScreen } from '../output/screen.ts';
import { copyUntilFirstPoint } from '../protect.ts';
import { createRecorder } from '../record/run-record.ts';
import { removeLeftovers, takeAway } from '../record/take-away.ts';
import { createSite, type SiteDisk } from '../site/site.ts';
import { keepClocks } from './clock-files.ts';
import { type LabInfo, writeLabInfo } from './lab-info.ts';

/*
 * The process behind `npm run lab -- up`: sets the lab up, tells how it goes to whoever started it, starts again what ends unasked, and takes
 * everything away when it gets SIGTERM. It does not mind when whoever started it is gone.
 */

export interface SuperviseSettings {
  readonly id: string;
  /** Arguments of `parseOptions`. */
  readonly args: readonly string[];
}

export type SuperviseMessage =
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'up' }
  | { readonly type: 'failed'; readonly message: string; readonly status: number };

/** Resolves when the message is on its way, or nobody is there to get it. */
const tell = (message: SuperviseMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });

const AGAIN_AFTER_MS = 1000;

/** Starts a program again whenever it ended unasked; `onRestart` is told when it does its work again. */
const keepRunning = async (program: ProgramProcess, { signal, screen }: RunContext, onRestart: () => void): Promise<void> => {
  for (;;) {
    await program.ended;
    if (signal.aborted) return;
    screen.line(`${program.name} ended; it is started again`);
    await program.start().then(onRestart, (reason) => screen.line(fromSystem(reason, program.name).message));
    await sleep(AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
  }
};

/** Writes what there is to know of the lab, and returns what writes it again after the restart of a program. */
const tellOf = (directory: string, machine: LabMachine, site: readonly SiteDisk[]): ((restarted?: ProgramProcess) => void) => {
  const { server, contexts, agent, processServer, configurationServer } = machine.installation;
  const restarts = new Map<ProgramProcess, number>();
  return (restarted) => {
    if (restarted !== undefined) restarts.set(restarted, (restarts.get(restarted) ?? 0) + 1);
    writeLabInfo(directory, {
      url: server.url,
      fingerprint: server.fingerprint,
      tokenFile: path.join(directory, 'site', 'configuration-server', 'state', 'administrator.token'),
      contexts,
      machineId: machine.id,
      vault: machine.vault,
      disks: site.map(({ device, mountPoint }) => ({ device, mountPoint })),
      programs: [configurationServer, processServer, agent].map((program) => ({
        name: program.name,
        process: identify(program.pid ?? 0) ?? { pid: 0, started: 0 },
        restarts: restarts.get(program) ?? 0,
        logFile: program.logFile,
      })),
    } satisfies LabInfo);
  };
};

const stand = async (context: RunContext): Promise<void> => {
  const { signal, recorder, options } = context;
  const { directory } = recorder.record;
  const site = await createSite({ directory, diskSize: options.diskSize, signal });
  const clocks = keepClocks(
    site.map(({ mountPoint }) => mountPoint),
    signal,
  );
  const machine = await createMachine(context, { disks: site.map(({ device }) => device) });
  const { agent, processServer, configurationServer } = machine.installation;
  await copyUntilFirstPoint(context, { machine, failures: [] });
  const write = tellOf(directory, machine, site);
  write();
  await tell({ type: 'up' });
  await Promise.all([
    clocks,
    ...[configurationServer, processServer, agent].map((program) => keepRunning(program, context, () => write(program))),
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())).then(() => machine.stop()),
  ]);
};

const supervise = async ({ id, args }: SuperviseSettings): Promise<void> => {
  const recorder = createRecorder(id, undefined, true);
  const logFile = path.join(recorder.record.directory, 'lab.log');
  const screen = createScreen({
    write: (text: string) => {
      // Last of all the directory itself goes.
      if (existsSync(recorder.record.directory)) appendFileSync(logFile, text, { mode: 0o600 });
      void tell({ type: 'line', text: text.trimEnd() });
    },
  });
  const interruption = createInterruption(() => undefined);
  try {
    await removeLeftovers(screen);
    await stand({ options: parseOptions(args), screen, recorder, signal: interruption.signal });
  } finally {
    await takeAway(screen, recorder);
  }
};

try {
  await supervise(JSON.parse(process.argv[2] ?? '{}') as SuperviseSettings);
} catch (reason) {
  const error = fromSystem(reason, 'the lab', 'INTERNAL');
  await tell({ type: 'failed', message: error.message, status: error.exitCode });
  process.exitCode = error.exitCode;
}
process.exit();
