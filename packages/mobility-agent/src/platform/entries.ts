import { readdirSync } from 'node:fs';

/** Names in a folder of the kernel's (sysfs, /proc); none where it is not there. */
export const entries = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
