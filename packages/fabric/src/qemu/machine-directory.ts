import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { MachineRequest } from '../fabric.ts';

/** Where the things of one machine are. Sockets and files are named from here, since QEMU runs in this directory. */
export interface MachineDirectory {
  readonly path: string;
  /** The request; written last when a machine is made. */
  readonly machine: string;
  /** Process and start time of the last start. */
  readonly process: string;
  /** QEMU's own note of its process, which it removes when it ends by itself. */
  readonly life: string;
  /** What QEMU complained about. */
  readonly log: string;
  readonly consoleLog: string;
  /** What came out of the port for the agent inside. */
  readonly agentLog: string;
  readonly consoleSocket: string;
  readonly qmpSocket: string;
  readonly screenSocket: string;
  /** Variables of the UEFI firmware. */
  readonly variables: string;
  overlay(index: number): string;
}

/** A Unix socket's path has 107 bytes at most: 33 for the operation, 14 for the longest name. */
export const DIRECTORY_LIMIT = 60;

export const machineDirectory = (root: string, operationId: string): MachineDirectory => {
  const directory = path.join(root, operationId);
  const at = (name: string): string => path.join(directory, name);
  return {
    path: directory,
    machine: at('machine.json'),
    process: at('process.json'),
    life: at('qemu.pid'),
    log: at('qemu.log'),
    consoleLog: at('console.log'),
    agentLog: at('agent.log'),
    consoleSocket: at('console.sock'),
    qmpSocket: at('qmp.sock'),
    screenSocket: at('vnc.sock'),
    variables: at('variables.fd'),
    overlay: (index) => at(`disk${index}.qcow2`),
  };
};

/** Puts a file in place whole or not at all, for its owner's eyes only. */
export const writeWhole = async (file: string, content: string): Promise<void> => {
  const unfinished = `${file}.${randomUUID()}.new`;
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (reason) {
    await rm(unfinished, { force: true });
    throw fromSystem(reason, file);
  }
};

/** Errors: DAMAGED. */
export const readJson = async <T>(file: string): Promise<T | undefined> => {
  const text = await readFile(file, 'utf8').catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === 'ENOENT') return undefined;
    throw fromSystem(reason, file);
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new HoldfastError('DAMAGED', { thing: file, why: 'it is no JSON', remedy: 'discard what it belongs to and begin anew', cause });
  }
};

/** The machine that was made, undefined when there is none or a half-made one. Errors: DAMAGED. */
export const readMachineRequest = (directory: MachineDirectory): Promise<MachineRequest | undefined> =>
  readJson<MachineRequest>(directory.machine);

export const makeDirectory = async (directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((reason: unknown) => {
    throw fromSystem(reason, directory);
  });
};
