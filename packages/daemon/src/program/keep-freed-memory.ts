import koffi from 'koffi';

/** Parameters of mallopt(3). */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;

/** Bytes of freed memory kept at the end of a heap: what is on its way at a time through a program that carries data. */
const KEPT = 64 * 1024 * 1024;
/** The largest that glibc takes: what is larger has pages of its own, which go when it is freed. */
const LARGEST = 32 * 1024 * 1024;

/**
 * Has the allocator keep memory that is freed for what comes next, within reason. Unless told so it gives buffers of some hundred KiB back to the kernel,
 * and each new one costs 256 pages a MiB, which is more than what is done with it. For programs that carry data all the time. Does nothing where the C
 * library is another. To be called once, early.
 */
export const keepFreedMemory = (): void => {
  try {
    const mallopt = koffi.load(null).func('int mallopt(int, int)');
    mallopt(M_TRIM_THRESHOLD, KEPT);
    mallopt(M_MMAP_THRESHOLD, LARGEST);
  } catch {
    // musl, say.
  }
};
