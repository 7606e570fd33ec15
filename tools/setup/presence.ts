import { existsSync } from 'node:fs';
import path from 'node:path';

/** Where Debian keeps what only root needs; a login shell of root has it on the PATH, `su` and services may not. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** True when a command is on the PATH (or where Debian keeps the system's own), or when a file exists if `proof` starts with `/`. */
export const isPresent = (proof: string): boolean => {
  if (proof.startsWith('/')) return existsSync(proof);
  const directories = [...(process.env['PATH'] ?? '').split(path.delimiter), ...SYSTEM_DIRECTORIES];
  return directories.some((directory) => directory !== '' && existsSync(path.join(directory, proof)));
};
