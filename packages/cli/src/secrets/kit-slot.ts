import { createHash } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';

/** Bytes of a line. */
const LINE = 32;

const checksumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 8);

/** A key slot in lines that survive printing and typing: `holdfast-slot-1/7:<64 digits>:<8 digits of checksum>`. */
export const formatSlot = (slot: Uint8Array): string[] => {
  const count = Math.ceil(slot.length / LINE);
  return Array.from({ length: count }, (_, index) => {
    const bytes = slot.subarray(index * LINE, (index + 1) * LINE);
    return `holdfast-slot-${index + 1}/${count}:${Buffer.from(bytes).toString('hex')}:${checksumOf(bytes)}`;
  });
};

/** The key slot in a recovery kit, `undefined` when it has none. Errors: DAMAGED, with the line. */
export const slotIn = (text: string, path: string): Uint8Array | undefined => {
  const lines = [...text.matchAll(/^\s*holdfast-slot-(\d+)\/(\d+):([0-9a-f]+):([0-9a-f]{8})\s*$/gim)];
  if (lines.length === 0) return undefined;
  const pieces = lines.map(([line, number, count, digits, checksum], index) => {
    const bytes = Buffer.from(digits!, 'hex');
    if (Number(number) !== index + 1 || (index === lines.length - 1 && Number(count) > lines.length))
      throw damaged(path, `line ${index + 1} of ${count} of its key slot is missing`);
    if (checksumOf(bytes) !== checksum!.toLowerCase())
      throw damaged(path, `the checksum of line ${line!.trim().split(':')[0]} is wrong: a digit was mistyped`);
    return bytes;
  });
  return Buffer.concat(pieces);
};

const damaged = (thing: string, why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing, why, remedy: 'compare it with the paper, or use another kit' });
