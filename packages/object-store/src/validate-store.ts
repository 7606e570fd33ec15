import { randomBytes, randomUUID } from 'node:crypto';
import { isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from './object-store.ts';

/** What a store was found to do. */
export interface StoreCheck {
  readonly name: string;
  /** `unknown`: it could not be tried, or is nothing that Holdfast needs. */
  readonly outcome: 'good' | 'bad' | 'unknown';
  /** In words, with figures. */
  readonly detail: string;
}

export interface ValidateOptions {
  /** Creators that race for one name; 16 unless told. */
  readonly racers?: number;
  /** Bytes of the largest object, 8 MiB unless told. */
  readonly size?: number;
  /** Milliseconds a list may lag before that is worth a word; 10 s unless told. */
  readonly listPatience?: number;
  readonly onCheck?: (check: StoreCheck) => void;
  readonly now?: () => number;
}

type Outcome = Omit<StoreCheck, 'name'>;
const good = (detail: string): Outcome => ({ outcome: 'good', detail });
const bad = (detail: string): Outcome => ({ outcome: 'bad', detail });
const unknown = (detail: string): Outcome => ({ outcome: 'unknown', detail });

/** A clock that is further from the store's than this is somebody's mistake. */
const CLOCK_TOLERANCE = 5 * 60_000;

/**
 * Tries everything that a vault rests on, with objects of its own under `validate/`, which it deletes. For whoever is about to trust a store. What fails is
 * an outcome, nothing is thrown but what ends every check: STORE_UNAVAILABLE, NO_PERMISSION to create at all.
 */
export const validateStore = async (store: ObjectStore, options: ValidateOptions = {}): Promise<StoreCheck[]> => {
  const { racers = 16, size = 8 * 1024 * 1024, listPatience = 10_000, onCheck = () => {}, now = Date.now } = options;
  const folder = `validate/${randomUUID()}`;
  const checks: StoreCheck[] = [];
  const check = async (name: string, look: () => Promise<Outcome>): Promise<void> => {
    const found = await look().catch((reason: unknown) => {
      if (!isHoldfastError(reason)) throw reason;
      return bad(reason.message);
    });
    checks.push({ name, ...found });
    onCheck(checks.at(-1)!);
  };
  const content = randomBytes(size);
  const first = `${folder}/a`;
  const begun = performance.now();
  await store.create(first, content);
  const created = performance.now() - begun;
  try {
    await check('create and read back', async () => {
      const from = performance.now();
      const read = await store.read(first);
      const took = performance.now() - from;
      if (Buffer.compare(read, content) !== 0) return bad('what is read is not what was created');
      return good(`${rate(size, created)} up, ${rate(size, took)} down`);
    });
    await check('conditional create', async () => {
      const code = await codeOf(store.create(first, Buffer.from('another')));
      const stays = Buffer.compare(await store.read(first), content) === 0;
      if (code !== 'OBJECT_EXISTS' || !stays)
        return bad(`a second object of the same name: ${code}${stays ? '' : ', and it replaced the first'}`);
      return good('an object that is there is not replaced');
    });
    await check('racing creators', () => race(store, `${folder}/race`, racers));
    await check('ranges', async () => {
      const asked = [
        { range: { offset: 1000, length: 5000 }, expected: content.subarray(1000, 6000) },
        { range: { offset: size - 10, length: 100 }, expected: content.subarray(size - 10) },
        { range: { offset: -20 }, expected: content.subarray(size - 20) },
        { range: { offset: size + 5, length: 5 }, expected: Buffer.alloc(0) },
      ];
      for (const { range, expected } of asked)
        if (Buffer.compare(await store.read(first, range), expected) !== 0) return bad(`bytes ${JSON.stringify(range)} are others`);
      return good('any bytes of an object can be read by themselves');
    });
    await check('missing objects', async () => {
      const codes = [await codeOf(store.read(`${folder}/none`)), await codeOf(store.stat(`${folder}/none`))];
      return codes.every((code) => code === 'OBJECT_NOT_FOUND')
        ? good('are said to be missing')
        : bad(`are said to be ${codes.join(', ')}`);
    });
    await check('lists', () => lists(store, folder, listPatience));
    await check('clock', async () => {
      const { created: told } = await store.stat(first);
      const ahead = told - now();
      const words = `the store's clock is ${Math.abs(ahead / 1000).toFixed(0)} s ${ahead >= 0 ? 'ahead of' : 'behind'} this machine's`;
      return Math.abs(ahead) > CLOCK_TOLERANCE ? bad(words) : good(words);
    });
  } finally {
    await check('delete', () => remove(store, folder));
  }
  return checks;
};

const race = async (store: ObjectStore, name: string, racers: number): Promise<Outcome> => {
  const contents = Array.from({ length: racers }, (_, racer) => Buffer.alloc(100_000, racer + 1));
  const codes = await Promise.all(contents.map((content) => codeOf(store.create(name, content))));
  const winners = codes.flatMap((code, racer) => (code === 'created' ? [racer] : []));
  const others = codes.filter((code) => code !== 'created' && code !== 'OBJECT_EXISTS');
  if (winners.length !== 1 || others.length > 0)
    return bad(`of ${racers} creators of one name ${winners.length} won; others were told ${others.join(', ')}`);
  const isWhole = Buffer.compare(await store.read(name), contents[winners[0]!]!) === 0;
  return isWhole ? good(`of ${racers} creators of one name one wins`) : bad('what is there is not what the winner created');
};

const lists = async (store: ObjectStore, folder: string, patience: number): Promise<Outcome> => {
  const names = ['b', 'c', 'd'].map((letter) => `${folder}/list/${letter}`);
  for (const name of names) await store.create(name, Buffer.from(name));
  const begun = performance.now();
  for (;;) {
    const found: string[] = [];
    for await (const { name } of store.list(`${folder}/list/`)) found.push(name);
    const lag = performance.now() - begun;
    if (found.join() === names.join()) {
      const after: string[] = [];
      for await (const { name } of store.list(`${folder}/list/`, { after: names[0]! })) after.push(name);
      return after.join() === names.slice(1).join()
        ? good(`show what was created, in order, ${Math.round(lag)} ms later`)
        : bad('do not begin where they are told to');
    }
    if (lag > patience)
      return bad(`after ${Math.round(lag / 1000)} s ${found.length} of ${names.length} objects are shown, or out of order`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

const remove = async (store: ObjectStore, folder: string): Promise<Outcome> => {
  const names: string[] = [];
  for await (const { name } of store.list(`${folder}/`)) names.push(name);
  for (const name of names) {
    const code = await codeOf(store.delete(name));
    if (code === 'NO_PERMISSION')
      return unknown(`not allowed, as it should be for a process server; ${names.length} small objects stay under ${folder}`);
    if (code === 'OBJECT_LOCKED') return unknown(`refused: objects here are immutable for a time; ${names.length} stay under ${folder}`);
    if (code !== 'created') return bad(`is answered by ${code}`);
    if ((await codeOf(store.stat(name))) !== 'OBJECT_NOT_FOUND') return bad('what was deleted is still there');
  }
  const again = await codeOf(store.delete(`${folder}/a`));
  return again === 'created' ? good('takes objects away') : bad(`of what is gone is answered by ${again}`);
};

const codeOf = async (answer: Promise<unknown>): Promise<string> => {
  try {
    await answer;
    return 'created';
  } catch (reason) {
    if (isHoldfastError(reason)) return reason.code;
    throw reason;
  }
};

const rate = (bytes: number, milliseconds: number): string => `${(bytes / 1000 / Math.max(1, milliseconds)).toFixed(1)} MB/s`;
