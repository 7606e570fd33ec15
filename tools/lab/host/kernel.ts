import { existsSync, readFileSync } from 'node:fs';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The kernel's id of this boot, 32 hexadecimal digits; undefined where the system has none. */
export const bootId = (): string | undefined =>
  existsSync(BOOT_ID) ? readFileSync(BOOT_ID, 'utf8').trim().replaceAll('-', '') : undefined;
