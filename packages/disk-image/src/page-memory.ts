/** The parts of the interface that are used; no type library of Node's has it. */
interface SharedPages {
  readonly WebAssembly: {
    readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer };
  };
}

const PAGE = 64 * 1024;

/**
 * Buffers that all threads see, each of which begins at a page of memory: what is written past the page cache must. Only memory of WebAssembly says where it
 * begins. Where there is none to be had, they begin anywhere.
 */
export const pageBuffers = (count: number, size: number): Buffer[] => {
  const pages = Math.ceil(size / PAGE);
  const memory = allocate(count * pages);
  return Array.from({ length: count }, (_, i) => Buffer.from(memory, i * pages * PAGE, size));
};

const allocate = (pages: number): SharedArrayBuffer => {
  try {
    const { Memory } = (globalThis as unknown as SharedPages).WebAssembly;
    return new Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch {
    return new SharedArrayBuffer(pages * PAGE);
  }
};
