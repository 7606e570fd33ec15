import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** First line of a file of sysfs, empty if it is not there or the device has nothing to say. */
export const attribute = (folder: string, name: string): string => {
  try {
    return readFileSync(join(folder, name), 'latin1').trim();
  } catch {
    return '';
  }
};
