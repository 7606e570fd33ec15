// LVM2 on disk, as `lib/format_text` of the LVM2 project lays it out: a label in one of the first four sectors, a header behind it that tells where areas of
// metadata are, and in each a text that describes the whole volume group.
import { HoldfastError } from '@holdfast/errors';
import { parseConfig, type Section } from './config.ts';

const SECTOR = 512;
const LABEL_SECTORS = 4;
/** Bytes of a text of metadata; an area is 1 MiB, unless somebody asked for more. */
const LARGEST_TEXT = 16 * 1024 * 1024;

/** Reads bytes of a physical volume. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

export interface PhysicalVolume {
  /** 32 characters. */
  readonly id: string;
  /** The newest text on it; undefined where it has none, as some of a group may. */
  readonly group: Section | undefined;
}

const damaged = (why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: 'LVM metadata', why, remedy: 'look at the disk with vgck on another machine' });

/** What stands at the beginning of a physical volume. Errors: DAMAGED. */
export const readPhysicalVolume = async (read: ReadAt): Promise<PhysicalVolume> => {
  const begin = await read(0, LABEL_SECTORS * SECTOR);
  const at = [0, 1, 2, 3].map((sector) => sector * SECTOR).find((offset) => begin.toString('latin1', offset, offset + 8) === 'LABELONE');
  if (at === undefined || begin.toString('latin1', at + 24, at + 32) !== 'LVM2 001') throw damaged('there is no label');
  const header = at + begin.readUInt32LE(at + 20);
  if (header + 40 > begin.length) throw damaged('its header lies too far away');
  const id = begin.toString('latin1', header, header + 32);
  const locations = readLocations(begin, header + 40);
  for (const { offset, size } of locations.metadata) {
    const text = await readText(read, offset, size);
    if (text !== undefined) return { id, group: parseConfig(text) };
  }
  return { id, group: undefined };
};

interface Area {
  readonly offset: number;
  readonly size: number;
}

/** Two lists, each ended by zeroes: areas of data, areas of metadata. */
const readLocations = (bytes: Buffer, from: number): { readonly metadata: readonly Area[] } => {
  const lists: Area[][] = [];
  for (let at = from; lists.length < 2; ) {
    const list: Area[] = [];
    for (; ; at += 16) {
      if (at + 16 > bytes.length) throw damaged('its lists of areas have no end');
      const offset = Number(bytes.readBigUInt64LE(at));
      if (offset === 0) break;
      list.push({ offset, size: Number(bytes.readBigUInt64LE(at + 8)) });
    }
    at += 16;
    lists.push(list);
  }
  return { metadata: lists[1]! };
};

/** An area: a header of 512 bytes, then a ring of texts; the header tells which counts. */
const readText = async (read: ReadAt, offset: number, size: number): Promise<string | undefined> => {
  const header = await read(offset, SECTOR);
  if (header.toString('latin1', 4, 20) !== ' LVM2 x[5A%r0N*>') throw damaged('an area of metadata has no header');
  const start = Number(header.readBigUInt64LE(40));
  const length = Number(header.readBigUInt64LE(48));
  if (start === 0 || length === 0) return undefined;
  if (start < SECTOR || start >= size || length > Math.min(LARGEST_TEXT, size))
    throw damaged('a text of metadata lies outside of its area');
  const first = Math.min(length, size - start);
  const parts = [await read(offset + start, first)];
  // It goes on behind the header.
  if (first < length) parts.push(await read(offset + SECTOR, length - first));
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\0[\s\S]*$/, '');
};
