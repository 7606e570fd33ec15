import { create } from '@bufbuild/protobuf';
import { type LogAnchor, LogAnchorSchema } from '@holdfast/protocol';
import { damagedFile, type JsonFile, openJsonFile } from '../state/json-file.ts';

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
  /** The requests to resynchronize that were met last, the newest first: a configuration server that was restored may name an older one again. */
  readonly metResyncs: readonly string[];
}

/** Requests that are remembered. */
const MOST_MET = 16;

/** Those that are met, with one more. */
export const withMet = (met: readonly string[], request: string): readonly string[] =>
  [request, ...met.filter((id) => id !== request)].slice(0, MOST_MET);

/** Keeps it on disk. */
export interface SenderMemory {
  readonly current: Remembered;
  /**
   * Resolves when it is kept: a term so that it survives a power loss. Nothing that relies on it may be said or freed before. `changedBytes`:
   * what of the machine's disks became durable with it.
   */
  remember(change: Partial<Remembered>, changedBytes?: number): Promise<void>;
  /** The machine may go to another vault: only the term counts on. */
  forgetVault(): Promise<void>;
  /** Has everything on disk. */
  flush(): Promise<void>;
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
  // Earlier versions kept the last one only.
  const { resyncId = '', metResyncs = resyncId === '' ? [] : [resyncId] } = fields;
  const areMet = Array.isArray(metResyncs) && metResyncs.every((id) => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id));
  if (!areMet) throw damagedFile(file, 'metResyncs are no ids');
  return {
    seenTerm: number(fields, 'seenTerm'),
    metResyncs: metResyncs.slice(0, MOST_MET),
    newestPoint: Number(number(fields, 'newestPoint')),
    points: Number(number(fields, 'points')),
    anchor: anchorOf(fields['anchor']),
  };
};

const show = ({ seenTerm, anchor, newestPoint, points, metResyncs }: Remembered): unknown => ({
  seenTerm: String(seenTerm),
  newestPoint: String(newestPoint),
  points: String(points),
  // For earlier versions.
  resyncId: metResyncs[0] ?? '',
  metResyncs,
  anchor:
    anchor === undefined
      ? null
      : { sequence: String(anchor.sequence), term: String(anchor.term), tag: Buffer.from(anchor.tag).toString('hex') },
});

/** What both know: each figure only grows. */
const newest = (a: Remembered, b: Remembered): Remembered => {
  const higher = b.seenTerm > a.seenTerm ? b : a;
  const later = (b.anchor?.sequence ?? 0n) > (a.anchor?.sequence ?? 0n) ? b : a;
  return {
    seenTerm: higher.seenTerm,
    anchor: later.anchor,
    newestPoint: Math.max(a.newestPoint, b.newestPoint),
    points: Math.max(a.points, b.points),
    metResyncs: later.metResyncs,
  };
};

const NOTHING: Remembered = { seenTerm: 0n, anchor: undefined, newestPoint: 0, points: 0, metResyncs: [] };

export interface SenderMemoryFiles {
  /** On disk. */
  readonly file: string;
  /**
   * In a tmpfs: takes what changes with every point, so that an idle machine whose own disk this is does not write for ever: each write is
   * a change of the disk, with a point to follow. What is missing of it after a restart of the machine is no more than a rollback of the vault by
   * as much that only the server notices.
   */
  readonly hotFile?: string | undefined;
}

/** Milliseconds after which the disk hears of what only memory knows, if so many bytes have changed that one more write among them is nothing, */
const BEHIND = 60_000;
const WORTH_WRITING = 1024 * 1024;
/** and after which it does in any case. */
const LONG_BEHIND = 3_600_000;

/** Opens the memory, or begins it. DAMAGED when a file says nothing that can be. */
export const openSenderMemory = async ({ file, hotFile }: SenderMemoryFiles, now: () => number = Date.now): Promise<SenderMemory> => {
  const cold = openJsonFile(file);
  const hot = hotFile === undefined ? undefined : openJsonFile(hotFile, { inMemory: true });
  const read = async (json: JsonFile | undefined): Promise<Remembered> => {
    const found = await json?.read();
    return found === undefined ? NOTHING : parse(found, json!.path);
  };
  let current = newest(await read(cold), await read(hot));
  /** The disk is behind since then. */
  let behindSince = Number.NEGATIVE_INFINITY;
  let behindBytes = 0;
  return {
    get current() {
      return current;
    },
    async remember(change, changedBytes = 0) {
      const before = current;
      current = { ...current, ...change };
      behindBytes += changedBytes;
      const behind = now() - behindSince;
      const isWorthIt = (behindBytes >= WORTH_WRITING && behind >= BEHIND) || behind >= LONG_BEHIND;
      const isRare = current.seenTerm !== before.seenTerm || current.metResyncs !== before.metResyncs;
      const isDue = hot === undefined || isRare || isWorthIt;
      if (isDue) {
        behindSince = now();
        behindBytes = 0;
      }
      await Promise.all([hot?.write(show(current)), isDue ? cold.write(show(current)) : undefined]);
    },
    async forgetVault() {
      current = { ...NOTHING, seenTerm: current.seenTerm };
      await cold.write(show(current));
      await hot?.write(show(current));
    },
    async flush() {
      await cold.write(show(current));
    },
  };
};
