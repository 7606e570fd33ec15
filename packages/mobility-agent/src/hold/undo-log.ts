import { appendFileSync, closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tryLock } from '../platform/file.ts';
import type { LogicalVolume } from './volume-snapshot.ts';

/** Something that a hold did, and what takes it back. Doing it twice does no harm. */
export type Undo =
  | { readonly kind: 'thaw'; readonly mountPoint: string; readonly device: string }
  | { readonly kind: 'write'; readonly file: string; readonly text: string }
  | { readonly kind: 'script'; readonly call: ScriptCall }
  | { readonly kind: 'remove'; readonly folder: string }
  | { readonly kind: 'snapshot'; readonly snapshot: LogicalVolume };

/** A script that is run with `pre` or `post`. */
export interface ScriptCall {
  readonly file: string;
  /** Milliseconds. */
  readonly limit: number;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * What has to be taken back when whoever did it is ended: noted before it is done, in a file in memory, one line for each, the newest last.
 * The file is locked as long as its maker lives; a maker that ends in order removes it.
 */
export interface UndoLog {
  /** Gives a number for `cancel`. */
  note(undo: Undo): number;
  /** It was not done after all, or was taken back already. Never throws: where that cannot be noted it is taken back twice. */
  cancel(number: number): void;
  /** What is to be taken back, the newest first. */
  left(): Undo[];
  /** Everything was taken back. */
  remove(): void;
  close(): void;
}

interface Line {
  readonly note?: { readonly number: number; readonly undo: Undo };
  readonly cancel?: number;
}

const parse = (text: string): Line | undefined => {
  try {
    return JSON.parse(text) as Line;
  } catch {
    // The maker was ended in the middle of a line: what it is about was not done yet.
    return undefined;
  }
};

/** What a maker left behind, the newest first; empty if there is no such file. */
export const readUndoLog = (file: string): Undo[] => {
  const noted = new Map<number, Undo>();
  if (!existsSync(file)) return [];
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    const line = text === '' ? undefined : parse(text);
    if (line?.note !== undefined) noted.set(line.note.number, line.note.undo);
    if (line?.cancel !== undefined) noted.delete(line.cancel);
  }
  return [...noted.values()].reverse();
};

/** Opens a log in an empty file of its own; undefined while another maker has it. */
export const openUndoLog = (file: string): UndoLog | undefined => {
  const fd = openSync(file, 'a', 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    return undefined;
  }
  let last = 0;
  // What was cut short before it, for want of memory, is no part of it.
  const write = (line: Line): void => appendFileSync(fd, `\n${JSON.stringify(line)}\n`);
  return {
    note(undo) {
      last += 1;
      write({ note: { number: last, undo } });
      return last;
    },
    cancel(number) {
      try {
        write({ cancel: number });
      } catch {
        // Memory is full. Whoever thaws one file system after the other must get to the last one all the same.
      }
    },
    left: () => readUndoLog(file),
    remove: () => rmSync(file, { force: true }),
    close: () => closeSync(fd),
  };
};
