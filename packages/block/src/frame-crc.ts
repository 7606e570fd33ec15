import zlib from 'node:zlib';

/*
 * A CRC is linear: of two pieces one behind the other it is that of the first, multiplied by x to the power of the bits of the second, plus that of the
 * second; polynomials over GF(2) modulo that of CRC-32, lowest bit highest power, as in crc32_combine of zlib.
 */

const POLYNOMIAL = 0xedb88320;
const ONE = 0x8000_0000;

const multiply = (a: number, b: number): number => {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
};

/** x to the power of 8, 16, 32 … */
const POWERS: number[] = [0x0080_0000];
while (POWERS.length < 32) POWERS.push(multiply(POWERS.at(-1)!, POWERS.at(-1)!));

/** What a CRC becomes of `bytes` further bytes, but for their own. */
const shift = (crc: number, bytes: number): number => {
  let shifted = crc;
  for (let rest = bytes, power = 0; rest > 0; rest = Math.floor(rest / 2), power += 1)
    if (rest % 2 === 1) shifted = multiply(POWERS[power]!, shifted);
  return shifted;
};

/** Where a frame's checksum of all its other bytes stands, and where they go on. */
const AT = 12;
const BEHIND = 16;

/**
 * The CRC-32 of all bytes of a serialized frame, by the checksum in it and without going through the rest. Of a frame that was changed since it was made
 * it is not that of its bytes: whoever compares them notices.
 */
export const frameCrc = (frame: Uint8Array): number => {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const without = zlib.crc32(bytes.subarray(0, AT));
  const withIt = zlib.crc32(bytes.subarray(0, BEHIND));
  return (bytes.readUInt32LE(AT) ^ shift((without ^ withIt) >>> 0, bytes.length - BEHIND)) >>> 0;
};
