import fs from 'node:fs';
import { HoldfastError } from '@holdfast/errors';
import { openDiskDirectory } from './disk-directory.ts';
import type { HrlDirectory } from './files.ts';
import type { Hrl } from './hrl.ts';
import { loadHrl } from './load-hrl.ts';

const MIB = 1024 * 1024;
const DEFAULT_SEGMENT_BYTES = 64 * MIB;

export interface HrlOptions {
  readonly machineId: string;
  /** Where the log lives on disk; made if need be. */
  readonly directory: string;
  /** Bytes its segments may take there. */
  readonly quotaBytes: number;
  /** A directory in memory (tmpfs), used first, and the bytes segments may take there. */
  readonly hot?: { readonly directory: string; readonly bytes: number };
  /** 64 MiB unless told, 1 MiB at least: a frame and a manifest must fit. */
  readonly segmentBytes?: number;
}

/** Opens the log of this machine, or begins one. Errors: AGENT_RUNNING, DAMAGED, NO_PERMISSION, NO_SPACE, SETTING_INVALID. */
export const openHrl = async ({
  machineId,
  directory,
  quotaBytes,
  hot,
  segmentBytes = DEFAULT_SEGMENT_BYTES,
}: HrlOptions): Promise<Hrl> => {
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < MIB || segmentBytes > 1024 * MIB) {
    throw new HoldfastError('SETTING_INVALID', {
      thing: 'segment size of the agent log (.hrl)',
      why: `${segmentBytes} is not between 1 MiB and 1 GiB`,
      remedy: 'choose a size in between',
    });
  }
  const opened: HrlDirectory[] = [];
  const open = (name: string): HrlDirectory => {
    const owned = openDiskDirectory(name, 'own');
    opened.push(owned);
    return owned;
  };
  try {
    const cold = { directory: open(directory), limit: quotaBytes };
    const memory = hot && { directory: open(hot.directory), limit: hot.bytes };
    return loadHrl({ machineId, cold, hot: memory, segmentBytes, bootId: readBootId() });
  } catch (reason) {
    for (const one of opened) one.close();
    throw reason;
  }
};

/** 32 hexadecimal digits, new at every start of the kernel; undefined where the system tells none. */
const readBootId = (): string | undefined => {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '');
  } catch {
    return undefined;
  }
};
