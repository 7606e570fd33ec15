import { existsSync, readFileSync } from 'node:fs';

/** Bytes written to a disk since boot, discards not counted, 0 when it is gone; `name` as in /sys/block (Documentation/block/stat.rst). */
export const writtenBytes = (name: string): number => {
  const file = `/sys/block/${name}/stat`;
  if (!existsSync(file)) return 0;
  const fields = readFileSync(file, 'utf8').trim().split(/\s+/);
  return Number(fields[6]) * 512;
};

/** Bytes of a disk; sysfs counts sectors of 512 bytes whatever the disk's own are. */
export const diskBytes = (name: string): number => Number(readFileSync(`/sys/block/${name}/size`, 'utf8')) * 512;
