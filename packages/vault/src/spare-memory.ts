/** Sizes are rounded up to it, so that objects of about the same size fit into the same memory. What is smaller is not worth it. */
const STEP = 1024 * 1024;

/** Memory for objects of about the same size, one after the other: fresh memory costs more than sealing what goes into it. */
export interface SpareMemory {
  take(size: number): Buffer;
  /** Nobody reads these bytes any more, which `take` gave. */
  giveBack(bytes: Buffer): void;
  /** Keeps nothing for later. */
  drop(): void;
}

export const createSpareMemory = (): SpareMemory => {
  let spare: ArrayBufferLike[] = [];
  return {
    take(size) {
      if (size < STEP) return Buffer.allocUnsafe(size);
      const fits = spare.findIndex(({ byteLength }) => byteLength >= size);
      const memory = fits < 0 ? Buffer.allocUnsafeSlow(Math.ceil(size / STEP) * STEP).buffer : spare.splice(fits, 1)[0]!;
      return Buffer.from(memory, 0, size);
    },
    giveBack({ buffer, length }) {
      if (length >= STEP) spare.push(buffer);
    },
    drop() {
      spare = [];
    },
  };
};
