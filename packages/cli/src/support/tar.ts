import { gzipSync } from 'node:zlib';

export interface TarFile {
  /** With `/` between its parts, at most 100 bytes. */
  readonly name: string;
  readonly content: string;
}

const BLOCK = 512;

/** A field of a header (POSIX.1-1988 "ustar"): numbers are octal and end in a zero byte. */
const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

const headerOf = (name: string, size: number, seconds: number): Buffer => {
  if (Buffer.byteLength(name) > 100) throw new RangeError(`${name} is too long`);
  const header = Buffer.alloc(BLOCK);
  const put = (text: string, at: number): void => void header.write(text, at, 'utf8');
  put(name, 0);
  put(octal(0o600, 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(size, 12), 124);
  put(octal(seconds, 12), 136);
  // The checksum counts itself as spaces.
  put(' '.repeat(8), 148);
  put('0', 156);
  put('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
};

/** A gzipped tar archive; `now` in milliseconds since 1970. */
export const tarGzip = (files: readonly TarFile[], now: number): Buffer => {
  const parts: Buffer[] = [];
  for (const { name, content } of files) {
    const bytes = Buffer.from(content);
    parts.push(headerOf(name, bytes.length, Math.floor(now / 1000)), bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]));
};
