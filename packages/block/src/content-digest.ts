import { createHash, type Hash } from 'node:crypto';

/*
 * The content digest of an epoch is SHA-256 over the heads of its frames: of each one everything before its payload. A head holds where the data belongs,
 * the SHA-256 of every block of it, and the CRC of the payload and of itself; so it says what the frame holds. Payloads, which are nearly all of the bytes,
 * are compared with their heads wherever a frame is checked: with the CRC when it moves, with the digests whenever it is read. docs/format.md, "Lineage".
 */

/** Where a frame says how long its payload is, see frame.ts. */
const PAYLOAD_LENGTH_AT = 8;
const HEADER_SIZE = 16;

/** All of a serialized frame before its payload, as a view; all there is, where the bytes are no frame. Nothing is checked. */
export const frameHead = (frame: Uint8Array): Uint8Array => {
  if (frame.length < HEADER_SIZE) return frame;
  const payload = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(PAYLOAD_LENGTH_AT, true);
  return payload > frame.length - HEADER_SIZE ? frame : frame.subarray(0, frame.length - payload);
};

/** The content digest of the frames added so far, in order. */
export interface ContentDigest {
  /** Adds the next frame; only its head is looked at. Whoever wants to know that the rest belongs to it checks the frame (`parseFrame`). */
  add(frame: Uint8Array): ContentDigest;
  /** 32 bytes. More may be added afterwards. */
  value(): Uint8Array<ArrayBuffer>;
}

const OF_NOTHING = createHash('sha256').digest();

class HeadDigest implements ContentDigest {
  /** Made with the first frame: most epochs of an idle machine have none. */
  #hash: Hash | undefined;

  add(frame: Uint8Array): ContentDigest {
    this.#hash ??= createHash('sha256');
    this.#hash.update(frameHead(frame));
    return this;
  }

  value(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#hash?.copy().digest() ?? OF_NOTHING);
  }
}

export const createContentDigest = (): ContentDigest => new HeadDigest();

/** Of all these frames. */
export const contentDigest = (frames: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const digest = createContentDigest();
  for (const frame of frames) digest.add(frame);
  return digest.value();
};
