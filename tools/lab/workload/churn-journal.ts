import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/*
 * What the file churn of one disk did, written down outside the protected disks, one line a step, in order:
 *
 *   wrote FILE FIRST COUNT TIME    blocks stamped with that time are about to be written
 *   synced FILE TIME               all that was written of the file is durable
 *   cutting FILE BLOCKS TIME       it is about to be truncated to so many blocks
 *   dropping FILE TIME             it is about to be deleted
 *
 * Renames need no line: a file is known by the number in its stamps and in its name, whatever directory it lies in.
 */

export type ChurnStep =
  | { readonly what: 'wrote'; readonly file: number; readonly first: number; readonly count: number; readonly time: bigint }
  | { readonly what: 'synced' | 'dropping'; readonly file: number; readonly time: bigint }
  | { readonly what: 'cutting'; readonly file: number; readonly blocks: number; readonly time: bigint };

export interface ChurnJournal {
  add(step: ChurnStep): void;
  close(): void;
}

const lineOf = (step: ChurnStep): string => {
  if (step.what === 'wrote') return `wrote ${step.file} ${step.first} ${step.count} ${step.time}\n`;
  if (step.what === 'cutting') return `cutting ${step.file} ${step.blocks} ${step.time}\n`;
  return `${step.what} ${step.file} ${step.time}\n`;
};

export const createChurnJournal = (file: string): ChurnJournal => {
  const descriptor = openSync(file, 'a');
  return { add: (step) => void writeSync(descriptor, lineOf(step)), close: () => closeSync(descriptor) };
};

const parseLine = (line: string): ChurnStep => {
  const [what, ...rest] = line.split(' ');
  const time = BigInt(rest.pop() ?? '');
  const [file = -1, second = -1, third = -1] = rest.map(Number);
  switch (what) {
    case 'wrote':
      return { what, file, first: second, count: third, time };
    case 'cutting':
      return { what, file, blocks: second, time };
    case 'synced':
    case 'dropping':
      return { what, file, time };
    default:
      throw new Error(`not a line of a churn journal: ${line}`);
  }
};

/** Reads a journal back. A last line without its end, left by a kill, counts as not written. */
export const parseChurnJournal = (text: string): ChurnStep[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);

export const readChurnJournal = (file: string): ChurnStep[] => parseChurnJournal(readFileSync(file, 'utf8'));
