import v8 from 'node:v8';
import { giveBackFreed } from './give-back-freed.ts';

/** Per cent of what is in use. */
const GROWTH = 50;

/**
 * Has the whole heap collected when it has grown by half, and what its allocator freed given back now and then. Unless told so node lets the heap grow to
 * four times of what is in use, and hardly anything is given back: a program with a thousand peers, each of which replaces a little again and again, needs
 * 120 MB and takes 470 MB; and each thread of its pool keeps what it once freed. For programs that hold much and hurry little, not for those that carry
 * data. To be called once, early.
 */
export const keepMemorySmall = (every?: number): void => {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  giveBackFreed(every);
};
