import { createHash } from 'node:crypto';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectInfo, ObjectStore } from '@holdfast/object-store';
import { isId } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { controlBackupName, controlBackupOf, controlBackupPrefix, controlPartName } from './object-names.ts';
import { readWhole } from './read-object.ts';

/*
 * Backups of configuration servers under `control/` (docs/format.md, "Control"). What they hold is sealed by whoever made them: a vault carries
 * them, and needs no key for it.
 */

/** A backup that is whole in a store. */
export interface ControlBackup {
  /** Id of the installation. */
  readonly siteId: string;
  /** The newest has the highest. */
  readonly number: number;
  readonly parts: number;
  /** Bytes of all parts. */
  readonly bytes: number;
  /** Of all bytes, hexadecimal. */
  readonly sha256: string;
  /** By the clock of who put it there, milliseconds since 1970. */
  readonly put: number;
}

/** Bytes of a part. */
const PART = 4 * 1024 * 1024;
const LARGEST_END = 4096;
/** Numbers that others may take while one is chosen. */
const TRIES = 100;
/** Milliseconds after which one that is still not whole was left behind: whoever puts one gives up after an hour. */
const LEFT_BEHIND = 24 * 3_600_000;
/**
 * Milliseconds for which one stays that somebody else put: nobody here can tell what is in it, and who may create objects can put as many as he likes. True ones of
 * that time are there however many false ones are.
 */
const OF_OTHERS = 30 * 24 * 3_600_000;
/** Numbers left out at most between two that belong together; above a wider gap nobody goes on, or whoever took the last number would have ended it. */
const WIDEST_GAP = 1000;

async function* inParts(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of content) {
    pieces.push(piece);
    bytes += piece.length;
    while (bytes >= PART) {
      const all = Buffer.concat(pieces);
      yield all.subarray(0, PART);
      pieces = [all.subarray(PART)];
      bytes -= PART;
    }
  }
  yield Buffer.concat(pieces);
}

const numbersOf = async (store: ObjectStore, siteId: string): Promise<Map<number, ObjectInfo[]>> => {
  const numbers = new Map<number, ObjectInfo[]>();
  for await (const object of store.list(controlBackupPrefix(siteId))) {
    const number = controlBackupOf(object.name)?.number;
    if (number !== undefined) numbers.set(number, [...(numbers.get(number) ?? []), object]);
  }
  return numbers;
};

const nextNumber = (numbers: readonly number[]): number => {
  let next = 1;
  for (const number of numbers.toSorted((a, b) => a - b)) {
    if (number - next > WIDEST_GAP && next > 1) break;
    next = number + 1;
  }
  return next;
};

/**
 * Puts a backup into a store; it counts once its last object is there. Of two that do so at once each gets a number of its own. Errors: those of
 * the store and of `content`; what was put until then stays and counts for nothing.
 */
export const putControlBackup = async (
  store: ObjectStore,
  siteId: string,
  content: AsyncIterable<Uint8Array>,
  now: () => number = Date.now,
): Promise<ControlBackup> => {
  let number = nextNumber([...(await numbersOf(store, siteId)).keys()]);
  const hash = createHash('sha256');
  let parts = 0;
  let bytes = 0;
  for await (const part of inParts(content)) {
    hash.update(part);
    for (let attempt = 1; ; attempt += 1)
      try {
        await store.create(controlPartName(siteId, number, parts), part);
        break;
      } catch (reason) {
        // Only the first part decides whose number it is.
        if (!isHoldfastError(reason, 'OBJECT_EXISTS') || parts > 0 || attempt === TRIES) throw reason;
        number += 1;
      }
    parts += 1;
    bytes += part.length;
  }
  const end = { parts, bytes, sha256: hash.digest('hex'), put: now() };
  await store.create(controlBackupName(siteId, number), Buffer.from(JSON.stringify(end)));
  return { siteId, number, ...end };
};

/**
 * Removes backups of an installation of which `keep` newer ones are there, and what was left behind half; one that somebody is still putting stays. `own`: numbers that
 * the caller put himself: only these let another one of them go at once, all others stay for 30 days by the store's clock. Errors: NO_PERMISSION for who may not delete.
 */
export const pruneControlBackups = async (
  store: ObjectStore,
  siteId: string,
  { keep, own }: { readonly keep: number; readonly own: ReadonlySet<number> },
): Promise<number> => {
  const numbers = await numbersOf(store, siteId);
  const isWhole = (number: number): boolean => numbers.get(number)!.some(({ name }) => name === controlBackupName(siteId, number));
  const whole = [...numbers.keys()].filter(isWhole).toSorted((a, b) => b - a);
  const oldestOf = (some: readonly number[]): number => some[Math.max(1, keep) - 1] ?? 0;
  const oldest = oldestOf(whole);
  const oldestOwn = oldestOf(whole.filter((number) => own.has(number)));
  const newestOf = (number: number): number => Math.max(...numbers.get(number)!.map(({ created }) => created));
  // All of these times are the store's.
  const now = Math.max(0, ...[...numbers.keys()].map(newestOf));
  const isGone = (number: number): boolean => {
    const age = now - newestOf(number);
    if (!isWhole(number)) return whole.length > 0 && age > LEFT_BEHIND;
    return own.has(number) ? number < oldestOwn : age > OF_OTHERS && number < oldest;
  };
  const gone = [...numbers].filter(([number]) => isGone(number));
  for (const [number, objects] of gone) {
    await store.delete(controlBackupName(siteId, number));
    for (const { name } of objects) await store.delete(name);
  }
  return gone.length;
};

const readEnd = async (store: ObjectStore, siteId: string, number: number): Promise<ControlBackup> => {
  const name = controlBackupName(siteId, number);
  const content = await store.read(name, { offset: 0, length: LARGEST_END });
  try {
    const { parts, bytes, sha256, put } = JSON.parse(Buffer.from(content).toString()) as Partial<Record<string, unknown>>;
    const areNumbers = [parts, bytes, put].every((value) => Number.isSafeInteger(value) && (value as number) >= 0);
    if (!areNumbers || typeof sha256 !== 'string') throw new Error('it does not say what it ends');
    return { siteId, number, parts: parts as number, bytes: bytes as number, sha256, put: put as number };
  } catch (cause) {
    throw damaged(name, (cause as Error).message.slice(0, 200), cause);
  }
};

/** Of each day by the clock of the store so many are named, half of them the first ones and half the last ones: who puts a thousand in an hour hides none of the days before. */
const OF_A_DAY = 4;
const NAMED = 200;

/** Whole backups of an installation for somebody to choose from, those that came last first; not all where there are many of a day. Damaged ends are stepped over. */
export const listControlBackups = async (store: ObjectStore, siteId: string): Promise<readonly ControlBackup[]> => {
  const days = new Map<number, { readonly number: number; readonly created: number }[]>();
  for await (const { name, created } of store.list(controlBackupPrefix(siteId))) {
    const found = controlBackupOf(name);
    if (found?.isEnd !== true) continue;
    const day = Math.floor(created / LEFT_BEHIND);
    days.set(day, [...(days.get(day) ?? []), { number: found.number, created }]);
  }
  const chosen = [...days]
    .toSorted(([a], [b]) => b - a)
    .flatMap(([, ends]) => {
      const sorted = ends.toSorted((a, b) => b.created - a.created || b.number - a.number);
      return sorted.length <= OF_A_DAY ? sorted : [...sorted.slice(0, OF_A_DAY / 2), ...sorted.slice(-OF_A_DAY / 2)];
    });
  const backups: ControlBackup[] = [];
  for (const { number } of chosen.slice(0, NAMED)) {
    const backup = await endOf(store, siteId, number);
    if (backup !== undefined) backups.push(backup);
  }
  return backups;
};

/** One backup; `undefined` where its end is damaged. Errors: OBJECT_NOT_FOUND. */
const endOf = (store: ObjectStore, siteId: string, number: number): Promise<ControlBackup | undefined> =>
  readEnd(store, siteId, number).catch((reason: unknown) => {
    if (isHoldfastError(reason, 'DAMAGED')) return undefined;
    throw reason;
  });

/** The newest whole backup of each installation. Damaged ends are stepped over. */
export const newestControlBackups = async (store: ObjectStore): Promise<readonly ControlBackup[]> => {
  const newest = new Map<string, ControlBackup>();
  // Numbers count down in names: the first end of an installation is its newest.
  for await (const { name } of store.list(controlBackupPrefix())) {
    const found = controlBackupOf(name);
    if (found === undefined || !found.isEnd || newest.has(found.siteId) || !isId(found.siteId)) continue;
    const backup = await endOf(store, found.siteId, found.number);
    if (backup !== undefined) newest.set(found.siteId, backup);
  }
  return [...newest.values()].toSorted((a, b) => b.put - a.put);
};

/** The bytes of a backup. Ends with DAMAGED when they are not those that were put there. */
export async function* readControlBackup(store: ObjectStore, { siteId, number, parts, sha256 }: ControlBackup): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for (let part = 0; part < parts; part += 1) {
    const content = await readWhole(store, controlPartName(siteId, number, part), PART);
    hash.update(content);
    yield content;
  }
  if (hash.digest('hex') !== sha256)
    throw new HoldfastError('DAMAGED', {
      thing: `${store.url} ${controlBackupName(siteId, number)}`,
      why: 'its parts are not those that were put there',
      remedy: 'use an older backup, or one out of another vault or file',
    });
}
