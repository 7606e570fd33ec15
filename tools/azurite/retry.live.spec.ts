import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HoldfastError } from '@holdfast/errors';
import { type Clock, createAzureStore, type ObjectStore, withRetry } from '@holdfast/object-store';
import { until } from '../lab/host/until.ts';
import { type Azurite, startAzurite } from './azurite.ts';
import { type FaultyProxy, type Mishap, startFaultyProxy } from './faulty-proxy.ts';

let azurite: Azurite;
let container = 0;
const atEnd: (() => Promise<void>)[] = [];

beforeAll(async () => {
  azurite = await startAzurite({ folder: await mkdtemp(join(tmpdir(), 'holdfast-azurite-')) });
});
afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});
afterAll(async () => {
  await azurite.stop();
  await rm(azurite.folder, { recursive: true });
});

interface Setting {
  /** Past the proxy. */
  readonly direct: ObjectStore;
  /** Through the proxy, each request once. */
  readonly bare: ObjectStore;
  /** Through the proxy with retry, whose waits take no time. */
  readonly store: ObjectStore;
  readonly waits: readonly number[];
  readonly proxy: FaultyProxy;
}

const setUp = async (plan: (index: number, method: string) => Mishap, stallSeconds = 20): Promise<Setting> => {
  const url = await azurite.createContainer(`container-${++container}`);
  const proxy = await startFaultyProxy(azurite.port, plan);
  const credential = { kind: 'key', key: azurite.key } as const;
  const direct = createAzureStore({ url, credential });
  const through = url.replace(`:${azurite.port}/`, `:${proxy.port}/`);
  const bare = createAzureStore({ url: through, credential, stallSeconds });
  const waits: number[] = [];
  const clock: Clock = { now: () => 0, sleep: async (milliseconds) => void waits.push(milliseconds) };
  const store = withRetry(bare, { clock, attempts: 30 });
  atEnd.push(
    () => proxy.close(),
    () => store.close(),
    () => direct.close(),
  );
  return { direct, bare, store, waits, proxy };
};

const inOrder =
  (...mishaps: Mishap[]) =>
  (index: number): Mishap =>
    mishaps[index] ?? 'pass';
const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'done',
    ({ code }: HoldfastError) => code,
  );
/** An attempt that meets these ends by this limit only. */
const limitOf = (mishap: Mishap): number | undefined => (mishap === 'stall' || mishap === 'late' ? 0.5 : undefined);
/** The answers to all that was handed on, once they are there. */
const statuses = async ({ log }: FaultyProxy): Promise<number[]> => {
  const handedOn = log.filter(({ mishap }) => mishap !== 'busy' && mishap !== 'reset');
  await until('answers', () => handedOn.every(({ status }) => status !== undefined), { seconds: 30 });
  return handedOn.map(({ status }) => status!);
};

describe('a store in Azurite behind a bad line', () => {
  const content = randomBytes(1_000_000);

  it.each<Mishap>(['busy', 'reset', 'lose-answer', 'stall', 'flip'])('without retry gives up when its request meets %j', async (mishap) => {
    const { bare, direct, proxy } = await setUp(inOrder(mishap), limitOf(mishap));
    expect(await codeOf(bare.create('a', content))).toBe('STORE_UNAVAILABLE');
    await statuses(proxy);
    // Which of these took effect, the one who sent it cannot know.
    expect(await codeOf(direct.stat('a'))).toBe(mishap === 'lose-answer' || mishap === 'stall' ? 'done' : 'OBJECT_NOT_FOUND');
  });

  it.each<Mishap>(['busy', 'reset', 'lose-answer', 'stall', 'flip'])('creates once though requests meet %j', async (mishap) => {
    const { store, direct, proxy } = await setUp(inOrder(mishap, mishap, mishap), limitOf(mishap));
    await store.create('a', content);
    expect(Buffer.compare(await direct.read('a'), content)).toBe(0);
    // At most one of all those puts was carried out.
    expect((await statuses(proxy)).filter((status) => status === 201)).toHaveLength(1);
  });

  it('waits as long as the service asks for', async () => {
    const { store, waits } = await setUp(inOrder('busy', 'busy'));
    await store.create('a', content);
    expect(waits).toHaveLength(2);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(3000);
  });

  it.each<Mishap>(['busy', 'reset', 'lose-answer', 'break-answer', 'stall'])(
    'reads, looks, lists and deletes though requests meet %j',
    async (mishap) => {
      // Every other request, so that each call meets it.
      const { store, direct } = await setUp((index) => (index % 2 === 0 ? mishap : 'pass'), limitOf(mishap));
      await direct.create('a/b', content);
      expect(Buffer.compare(await store.read('a/b'), content)).toBe(0);
      expect(Buffer.compare(await store.read('a/b', { offset: 500_000, length: 1000 }), content.subarray(500_000, 501_000))).toBe(0);
      expect((await store.stat('a/b')).size).toBe(content.length);
      const names: string[] = [];
      for await (const { name } of store.list('a/')) names.push(name);
      expect(names).toEqual(['a/b']);
      await store.delete('a/b');
      expect(await codeOf(direct.stat('a/b'))).toBe('OBJECT_NOT_FOUND');
    },
  );

  it('does no harm with a request that lands long after it was given up', async () => {
    const { store, direct, proxy } = await setUp(inOrder('late'), limitOf('late'));
    await store.create('a', content);
    await proxy.release();
    const [late, ...others] = await statuses(proxy);
    expect(late).toBe(409);
    expect(others).toContain(201);
    expect(Buffer.compare(await direct.read('a'), content)).toBe(0);
  });

  it('finds its own object when the given up request lands before the next', async () => {
    const { bare, direct, proxy } = await setUp(inOrder('late', 'busy'), limitOf('late'));
    let released = false;
    const clock: Clock = {
      now: () => 0,
      sleep: async () => {
        if (released) return;
        released = true;
        await proxy.release();
      },
    };
    await withRetry(bare, { clock }).create('a', content);
    expect((await statuses(proxy))[0]).toBe(201);
    expect(Buffer.compare(await direct.read('a'), content)).toBe(0);
  });

  it('tells the loser of a race that it lost, though answers are lost', async () => {
    const { store, direct } = await setUp((index) => (index % 3 === 2 ? 'pass' : 'lose-answer'));
    const [mine, theirs] = [Buffer.from('mine'), Buffer.from('theirs')];
    for (let round = 0; round < 20; round += 1) {
      const name = `race/${round}`;
      const results = await Promise.all([codeOf(store.create(name, mine)), codeOf(store.create(name, theirs))]);
      expect([...results].sort()).toEqual(['OBJECT_EXISTS', 'done']);
      const held = Buffer.from(await direct.read(name));
      expect(held.equals(results[0] === 'done' ? mine : theirs)).toBe(true);
    }
  });

  it('brings 60 objects over a line on which half of all goes wrong: each once, none damaged', async () => {
    const mishaps: Mishap[] = ['busy', 'reset', 'lose-answer', 'break-answer', 'flip'];
    let seed = 7;
    const draw = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed / 2 ** 32;
    };
    const { store, direct, proxy } = await setUp(() => (draw() < 0.5 ? mishaps[Math.floor(draw() * mishaps.length)]! : 'pass'));
    const objects = Array.from({ length: 60 }, (_, index) => ({ name: `o/${index + 100}`, content: randomBytes(20_000 + index) }));
    const queue = [...objects];
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await store.create(next.name, next.content);
        expect(Buffer.compare(await store.read(next.name), next.content)).toBe(0);
      }
    };
    await Promise.all([work(), work(), work(), work()]);
    const found: string[] = [];
    for await (const { name } of direct.list('')) found.push(name);
    expect(found).toEqual(objects.map(({ name }) => name));
    for (const object of objects) expect(Buffer.compare(await direct.read(object.name), object.content)).toBe(0);
    const created = proxy.log.filter(({ method, status }) => method === 'PUT' && status === 201);
    expect(created).toHaveLength(60);
    // It was a bad line indeed.
    expect(proxy.log.length).toBeGreaterThan(180);
  });
});
