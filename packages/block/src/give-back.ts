/** Bytes below which the collector has as little work with them as a call here. */
const WORTHWHILE = 16 * 1024;

/**
 * Frees the memory of these bytes now, where they have a buffer to themselves; from then on they are empty. For who made them, and is done with them before
 * anybody else could keep them: what carries data makes a dozen buffers for each of its bytes, and the collector, which would find them sooner or later,
 * goes through all that lives for it.
 */
export const giveBack = (...parts: readonly Uint8Array[]): void => {
  for (const { buffer, byteLength } of parts)
    if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && byteLength >= WORTHWHILE) buffer.transfer(0);
};
