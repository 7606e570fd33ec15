import { create } from '@bufbuild/protobuf';
import { type LogAnchor, LogAnchorSchema } from '@holdfast/protocol';
import { damagedFile, openJsonFile } from '../state/json-file.ts';

/** What the agent must never forget of the vault, whoever speaks for it. */
export interface Remembered {
  /** The highest term it was ever told. */
  readonly seenTerm: bigint;
  /** The newest durable slot it was ever told of. */
  readonly anchor: LogAnchor | undefined;
  /** The newest durable point, milliseconds since 1970; 0 before the first. */
  readonly newestPoint: number;
  /** Points that became durable, ever. */
  readonly points: number;
}

/** Keeps it on disk. */
export interface SenderMemory {
  readonly current: Remembered;
  /** Resolves when it survives a power loss. Nothing that relies on it may be said or freed before. */
  remember(change: Partial<Remembered>): Promise<void>;
}

const LARGEST_NUMBER = 2n ** 64n - 1n;

const parse = (value: unknown, file: string): Remembered => {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const number = (source: Readonly<Record<string, unknown>>, name: string): bigint => {
    const text = source[name];
    if (typeof text !== 'string' || !/^\d{1,20}$/.test(text) || BigInt(text) > LARGEST_NUMBER)
      throw damagedFile(file, `${name} is no number`);
    return BigInt(text);
  };
  const anchorOf = (found: unknown): LogAnchor | undefined => {
    if (found === null) return undefined;
    if (typeof found !== 'object' || found === undefined) throw damagedFile(file, 'it has no anchor');
    const anchor = found as Readonly<Record<string, unknown>>;
    const { tag } = anchor;
    if (typeof tag !== 'string' || !/^([0-9a-f]{2}){0,64}$/.test(tag)) throw damagedFile(file, 'the tag of its anchor is no tag');
    return create(LogAnchorSchema, {
      sequence: number(anchor, 'sequence'),
      term: number(anchor, 'term'),
      tag: Uint8Array.from(Buffer.from(tag, 'hex')),
    });
  };
  return {
    seenTerm: number(fields, 'seenTerm'),
    newestPoint: Number(number(fields, 'newestPoint')),
    points: Number(number(fields, 'points')),
    anchor: anchorOf(fields['anchor']),
  };
};

const show = ({ seenTerm, anchor, newestPoint, points }: Remembered): unknown => ({
  seenTerm: String(seenTerm),
  newestPoint: String(newestPoint),
  points: String(points),
  anchor:
    anchor === undefined
      ? null
      : { sequence: String(anchor.sequence), term: String(anchor.term), tag: Buffer.from(anchor.tag).toString('hex') },
});

/** Opens the memory in a file, or begins it. DAMAGED when the file says nothing that can be. */
export const openSenderMemory = async (file: string): Promise<SenderMemory> => {
  const json = openJsonFile(file);
  const found = await json.read();
  let current: Remembered = found === undefined ? { seenTerm: 0n, anchor: undefined, newestPoint: 0, points: 0 } : parse(found, file);
  return {
    get current() {
      return current;
    },
    async remember(change) {
      current = { ...current, ...change };
      await json.write(show(current));
    },
  };
};
