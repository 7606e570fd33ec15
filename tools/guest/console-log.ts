import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { HoldfastError } from '@holdfast/errors';

const TAIL_BYTES = 3000;

/** The end of what a guest printed, without colours and other control sequences. */
export const consoleTail = (log: string): string => {
  let fd: number;
  try {
    fd = openSync(log, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    return stripVTControlCharacters(tail.toString('utf8'))
      .replaceAll(/[^\P{Cc}\n]/gu, '')
      .trim();
  } finally {
    closeSync(fd);
  }
};

/** The error for a guest that failed, with the end of its console. */
export const guestFailure = (log: string, thing: string, why: string): HoldfastError => {
  const tail = consoleTail(log);
  const printed = tail === '' ? 'its console is empty' : `its console ends with\n${tail.replaceAll(/^/gm, '  | ')}\n`;
  return new HoldfastError('GUEST_FAILED', { thing, why: `${why}; ${printed}`, remedy: 'look for the cause there, or give it more time' });
};
