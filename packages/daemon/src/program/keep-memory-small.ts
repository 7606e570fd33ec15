import v8 from 'node:v8';
import koffi from 'koffi';

/** Per cent of what is in use. */
const GROWTH = 50;
/** Milliseconds between two times that it is given back, which takes less than one. */
const EVERY = 5000;

/** Gives pages back that lie between what is in use, which free(3) never does; nothing where the C library is another. */
const trimOf = (): (() => void) => {
  try {
    const trim = koffi.load(null).func('int malloc_trim(size_t)');
    return () => trim(0);
  } catch {
    return () => undefined;
  }
};

/**
 * Has the whole heap collected when it has grown by half, and what its allocator freed given back now and then. Unless told so node lets the heap grow to
 * four times of what is in use, and hardly anything is given back: a program with a thousand peers, each of which replaces a little again and again, needs
 * 120 MB and takes 470 MB; and each thread of its pool keeps what it once freed. For programs that hold much and hurry little, not for those that carry
 * data. To be called once, early.
 */
export const keepMemorySmall = (every = EVERY): void => {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  setInterval(trimOf(), every).unref();
};
