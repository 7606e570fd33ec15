/** Bytes below which the collector has as little work with them as a call here. */
const WORTHWHILE = 32 * 1024;
/** Bytes of a buffer that may be others': of what stands before data, a header or a length. */
const BESIDES = 64;

/**
 * Frees the memory of these bytes now, where they have a buffer to themselves, but for a header; from then on they, and all views of them, are empty. For
 * who made them or was handed them for good, and is done with them: what carries data makes a dozen buffers for each of its bytes, and the collector,
 * which would find them sooner or later, goes through all that lives for it.
 */
export const giveBack = (...parts: readonly Uint8Array[]): void => {
  for (const { buffer, byteLength } of parts)
    if (buffer instanceof ArrayBuffer && byteLength >= WORTHWHILE && buffer.byteLength - byteLength <= BESIDES) buffer.transfer(0);
};
