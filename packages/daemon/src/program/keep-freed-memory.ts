import koffi from 'koffi';

/** Parameters of mallopt(3). */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;

/** Bytes of freed memory kept at the end of a heap: what is on its way at a time through a program that carries data. */
const KEPT = 64 * 1024 * 1024;
/** The largest that glibc takes: what is larger has pages of its own, which go when it is freed. */
const LARGEST = 32 * 1024 * 1024;

/**
 * Bytes that the collector counts as living, and nobody ever touches, so that they take none. How much new memory it lets come before it goes through the
 * whole heap again depends on how much lives: where little does, and much passes through, it would do so for every twenty megabytes.
 */
const BALLAST = 96 * 1024 * 1024;
const ballast: Buffer[] = [];

/**
 * Has the allocator keep memory that is freed for what comes next, within reason. Unless told so it gives buffers of some hundred KiB back to the kernel,
 * and each new one costs 256 pages a MiB, which is more than what is done with it; and the collector let what it may free lie a while. For programs that
 * carry data, behind `tuneMemory`. Where the C library is another, only the second. To be called once, early.
 */
export const keepFreedMemory = (): void => {
  ballast.push(Buffer.allocUnsafeSlow(BALLAST));
  try {
    const mallopt = koffi.load(null).func('int mallopt(int, int)');
    mallopt(M_TRIM_THRESHOLD, KEPT);
    mallopt(M_MMAP_THRESHOLD, LARGEST);
  } catch {
    // musl, say.
  }
};
