import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { detachLoop, listLoops } from '../host/loop-devices.ts';
import { isWithin, listMounts, unmount } from '../host/mounts.ts';
import { endProcess } from '../host/processes.ts';
import { runTool } from '../host/run-tool.ts';
import { until } from '../host/until.ts';
import type { RunRecord } from './run-record.ts';

export interface CleanUpOptions {
  /** Leaves the run's directory and its other paths on disk; devices, mounts, processes, instances and memory go all the same. */
  readonly keepFiles?: boolean;
}

/** Where a tracefs may be mounted. */
const TRACEFS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];

const removeTraceInstance = async (name: string): Promise<void> => {
  for (const root of TRACEFS) {
    const instance = path.join(root, 'instances', name);
    if (!existsSync(instance)) continue;
    // Busy as long as a reader's file is being closed.
    await until(`${instance} is removed`, () => tryToRemove(instance), { seconds: 10 });
  }
};

const tryToRemove = (instance: string): boolean => {
  try {
    rmdirSync(instance);
  } catch {
    // Asked again below: whoever holds it is about to end.
  }
  return !existsSync(instance);
};

const unmountBelow = async (directory: string): Promise<void> => {
  for (const one of listMounts().reverse()) if (isWithin(one.directory, directory)) await unmount(one.directory);
};

const removeMachines = async (directory: string): Promise<void> => {
  const fabric = createQemuFabric({ directory: path.join(directory, 'vm') });
  for (const { operationId } of await fabric.list()) await fabric.remove(operationId);
};

/** Tells the devices which somebody else keeps from being detached for now. */
const detachBelow = async (directory: string): Promise<string[]> => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return [];
  const held: string[] = [];
  for (const { device, file } of await listLoops())
    if (isWithin(file, directory) && (await detachLoop(device)) === 'held') held.push(device);
  return held;
};

export interface CleanUpResult {
  /** What could not be taken away, in words; the record stays and the next run tries again. */
  readonly failures: readonly string[];
  /** Loop devices that the kernel detaches once processes in other mount namespaces let go of them. */
  readonly held: readonly string[];
}

/**
 * Takes away everything a run made, in the opposite order, by name and by process identity, never by a pattern. Each step is tried even
 * when one before it failed; without failures the record is gone too. May be called again.
 */
export const cleanUp = async (file: string, record: RunRecord, { keepFiles = false }: CleanUpOptions = {}): Promise<CleanUpResult> => {
  const failures: string[] = [];
  const held: string[] = [];
  const attempt = async (step: () => Promise<unknown>): Promise<void> => {
    try {
      await step();
    } catch (reason) {
      failures.push(reason instanceof Error ? reason.message : String(reason));
    }
  };
  for (const mountPoint of record.frozen) await attempt(() => runTool('fsfreeze', ['--unfreeze', mountPoint], { accept: [0, 1] }));
  for (const identity of record.processes) await attempt(() => endProcess(identity));
  // Nobody starts them again: the process server is gone.
  for (const one of record.recoveries) await attempt(() => removeMachines(one));
  for (const name of record.namespaces)
    await attempt(async () => {
      // With it goes the wire to it, once nobody is left within.
      if (existsSync(path.join('/run/netns', name))) await runTool('ip', ['netns', 'delete', name]);
    });
  if (process.platform === 'linux') await attempt(() => unmountBelow(record.directory));
  await attempt(async () => held.push(...(await detachBelow(record.directory))));
  for (const name of record.traceInstances) await attempt(() => removeTraceInstance(name));
  for (const one of [...record.memory, ...record.recoveries]) await attempt(async () => removeTree(one));
  if (failures.length > 0) return { failures, held };
  if (!keepFiles) {
    const children = record.emptied.flatMap((one) => (existsSync(one) ? readdirSync(one).map((name) => path.join(one, name)) : []));
    for (const one of [record.directory, ...record.paths, ...children]) await attempt(async () => removeTree(one));
  }
  if (failures.length === 0) rmSync(file, { force: true });
  return { failures, held };
};

/** Removes a directory in which nothing is mounted; the disks' own files are not ours to delete. */
const removeTree = (directory: string): void => {
  if (process.platform === 'linux' && listMounts().some((one) => isWithin(one.directory, directory))) {
    throw new Error(`${directory}: something is still mounted in it`);
  }
  rmSync(directory, { recursive: true, force: true });
};
