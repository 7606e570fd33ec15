/** Bytes of one piece. */
const PIECE = 64 * 1024;

/**
 * Makes what copies short byte strings into few pieces of memory, one behind the other: by itself each would cost more than it holds, and the collector
 * its time. A piece goes when nothing in it is used any more.
 */
export const createPacker = (): ((bytes: Uint8Array) => Uint8Array) => {
  let piece = new Uint8Array(0);
  let used = 0;
  return (bytes) => {
    if (bytes.length > PIECE / 8) return Uint8Array.from(bytes);
    if (used + bytes.length > piece.length) {
      piece = new Uint8Array(PIECE);
      used = 0;
    }
    piece.set(bytes, used);
    used += bytes.length;
    return piece.subarray(used - bytes.length, used);
  };
};
