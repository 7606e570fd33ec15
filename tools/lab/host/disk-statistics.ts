import { readFileSync } from 'node:fs';

/** Bytes written to a disk since boot, discards not counted; `name` is the kernel's, as in /sys/block (Documentation/block/stat.rst). */
export const writtenBytes = (name: string): number => {
  const fields = readFileSync(`/sys/block/${name}/stat`, 'utf8').trim().split(/\s+/);
  return Number(fields[6]) * 512;
};

/** Bytes of a disk; sysfs counts sectors of 512 bytes whatever the disk's own are. */
export const diskBytes = (name: string): number => Number(readFileSync(`/sys/block/${name}/size`, 'utf8')) * 512;
