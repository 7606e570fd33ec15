import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** Bytes from which on a part is compressed by itself. */
const LARGE = 16 * 1024 * 1024;

/** Compresses archives, given in parts. */
export interface Compressor {
  compress(parts: readonly Buffer[]): Promise<Buffer>;
}

/**
 * gzip (RFC 1952), whose files may consist of several members one behind the other: each large part is one, compressed once however many archives have it.
 * That of node is nearly all of every bundle. The same parts give the same bytes.
 */
export const createCompressor = (): Compressor => {
  const known = new Map<string, Promise<Buffer>>();
  const member = promisify<Buffer, Buffer>(gzip);
  const once = (part: Buffer): Promise<Buffer> => {
    const digest = createHash('sha256').update(part).digest('hex');
    const compressed = known.get(digest) ?? member(part);
    known.set(digest, compressed);
    return compressed;
  };
  return {
    async compress(parts) {
      const members: Promise<Buffer>[] = [];
      let small: Buffer[] = [];
      const flush = (): void => {
        if (small.length > 0) members.push(member(Buffer.concat(small)));
        small = [];
      };
      for (const part of parts) {
        if (part.length < LARGE) {
          small.push(part);
          continue;
        }
        flush();
        members.push(once(part));
      }
      flush();
      return Buffer.concat(await Promise.all(members));
    },
  };
};
