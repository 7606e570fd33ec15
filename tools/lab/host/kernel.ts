import { readFileSync } from 'node:fs';

/** The kernel's id of this boot: 32 hexadecimal digits. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '');
