import { closeSync, openSync } from 'node:fs';
import { transferredBytes } from '../trace/disk-counters.ts';

/** What others read from a disk and write to it. */
export interface OthersWork {
  /** Bytes since the last call, but for so many that were our own; undefined where nobody knows. */
  since(own: number): number | undefined;
  close(): void;
}

const UNKNOWN: OthersWork = { since: () => undefined, close: () => undefined };

/** `count`: bytes read and written on the disk so far, by whomever; throws where that cannot be told. */
export const watchOthers = (count: () => number, close: () => void = () => undefined): OthersWork => {
  let before = count();
  return {
    since(own) {
      try {
        const now = count();
        const all = now - before;
        before = now;
        // Where not even our own is counted, counting is switched off (queue/iostats).
        return all < own / 2 ? undefined : Math.max(0, all - own);
      } catch {
        return undefined;
      }
    },
    close,
  };
};

/** That of the disk which the kernel calls so (`sda`). */
export const openOthersWork = (name: string): OthersWork => {
  let fd: number;
  try {
    fd = openSync(`/sys/block/${name}/stat`, 'r');
  } catch {
    return UNKNOWN;
  }
  try {
    return watchOthers(
      () => transferredBytes(fd),
      () => closeSync(fd),
    );
  } catch {
    closeSync(fd);
    return UNKNOWN;
  }
};
