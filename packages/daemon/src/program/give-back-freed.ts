import koffi from 'koffi';

/** Milliseconds between two times that it is given back, which takes one or less. */
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

/** Has what the allocator freed given back to the kernel now and then: each thread's heap keeps it otherwise. To be called once, early. */
export const giveBackFreed = (every = EVERY): void => void setInterval(trimOf(), every).unref();
