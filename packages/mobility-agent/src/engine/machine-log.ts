import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { isHoldfastError } from '@holdfast/errors';
import type { Hrl } from '../hrl/hrl.ts';
import { openHrl } from '../hrl/open-hrl.ts';
import type { SenderMemoryFiles } from '../sender/sender-memory.ts';
import { findMemoryDirectory } from '../trace/memory-file.ts';

export interface MachineLogSettings {
  /** Where the logs of machines are on disk; below the state directory unless given. */
  readonly directory: string | undefined;
  readonly quota: number;
  readonly segment: number;
  /** Bytes in memory; 0 for none. */
  readonly memory: number;
}

export interface MachinePlaces {
  /** The agent's state directory. */
  readonly directory: string;
  readonly machineId: string;
  readonly log: MachineLogSettings;
  /** A directory in a tmpfs; found by itself unless given. */
  readonly memoryDirectory: string | undefined;
}

/** Where the things of one machine are kept. A machine that is enrolled as another one begins with nothing. */
export interface MachineFiles {
  readonly log: string;
  /** Where the log is in memory; undefined where there is no tmpfs, or it is not wanted. */
  readonly hotLog: string | undefined;
  /** What a capture without a tracker knows of the disks. */
  readonly digests: string;
  readonly senderMemory: SenderMemoryFiles;
}

export const machineFiles = ({ directory, machineId, log, memoryDirectory }: MachinePlaces): MachineFiles => {
  const own = path.join(directory, 'machines', machineId);
  return {
    log: log.directory === undefined ? path.join(own, 'log') : path.join(log.directory, machineId),
    hotLog: log.memory === 0 ? undefined : hotPlace(`holdfast-${machineId}-log`, memoryDirectory),
    digests: path.join(own, 'digests'),
    senderMemory: { file: path.join(own, 'sender.json'), hotFile: hotPlace(`holdfast-${machineId}-sender.json`, memoryDirectory) },
  };
};

const hotPlace = (name: string, memoryDirectory: string | undefined): string | undefined => {
  try {
    return path.join(findMemoryDirectory(memoryDirectory), name);
  } catch (reason) {
    if (memoryDirectory === undefined && isHoldfastError(reason, 'SETTING_INVALID')) return undefined;
    throw reason;
  }
};

export const openMachineLog = (places: MachinePlaces): Promise<Hrl> => {
  const { log, hotLog } = machineFiles(places);
  const { quota, segment, memory } = places.log;
  return openHrl({
    machineId: places.machineId,
    directory: log,
    quotaBytes: quota,
    segmentBytes: segment,
    ...(hotLog === undefined ? {} : { hot: { directory: hotLog, bytes: memory } }),
  });
};

/** True when a protection left its log behind. */
export const hasMachineLog = (places: MachinePlaces): boolean => existsSync(machineFiles(places).log);

/** Removes what was kept of the machine's disks, the log last: as long as it is there, so may be other things. */
export const removeMachineLog = async (places: MachinePlaces): Promise<void> => {
  const { log, hotLog, digests } = machineFiles(places);
  for (const folder of [digests, hotLog, log]) if (folder !== undefined) await rm(folder, { recursive: true, force: true });
};
