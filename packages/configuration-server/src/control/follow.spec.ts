import { plainKind } from '../records/kind.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { createNotifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { type Computed, follow } from './follow.ts';

const things = plainKind<{ readonly next: string }>('thing', 1);

describe('following what a computation read', () => {
  const stop = new AbortController();
  let store: StateStore;
  let computed = 0;
  let values: AsyncGenerator<Computed<string>>;

  const put = (id: string, next: string): Promise<number> => store.commit({ put: { [things.key(id)]: things.document({ next }) } });
  /** The chain of things from "a", and how many there are in all below "list/". */
  const chain = async (read: Parameters<Parameters<typeof follow>[2]>[0]): Promise<string> => {
    computed += 1;
    let text = '';
    for (let id = 'a'; id !== ''; ) {
      const thing = await read.get(things, id);
      text += thing === undefined ? `${id}?` : id;
      id = thing?.value.next ?? '';
    }
    return `${text} ${(await read.list(things, 'list/')).length}`;
  };

  beforeEach(() => {
    computed = 0;
    store = createMemoryStore({ events: 10, audit: 10, changes: 1000 });
    const notifier = createNotifier(store);
    void notifier.run(stop.signal);
    values = follow(store, notifier, chain, stop.signal);
  });
  afterAll(() => stop.abort());

  const next = async (): Promise<Computed<string>> => (await values.next()).value as Computed<string>;

  it('computes again after each change of it, for as long as it lasts', async () => {
    expect(await next()).toEqual({ revision: 0, value: 'a? 0' });
    for (let round = 0; round < 20; round += 1) {
      const revision = await put('a', round % 2 === 0 ? 'b' : 'c');
      expect(await next()).toEqual({ revision, value: round % 2 === 0 ? 'ab? 0' : 'ac? 0' });
    }
    await put('list/1', '');
    expect((await next()).value).toBe('ac? 1');
    await put('c', 'd');
    expect((await next()).value).toBe('acd? 1');
  });

  it('does not look at other changes', async () => {
    await next();
    for (let index = 0; index < 50; index += 1) await put(`other${index}`, '');
    await put('a', '');
    expect((await next()).value).toBe('a 0');
    expect(computed).toBe(2);
  });

  it('misses nothing that changes while it computes', async () => {
    for (let round = 0; round < 50; round += 1) {
      const coming = next();
      await put('a', String(round));
      await coming;
    }
    const last = await put('a', 'z');
    for (let seen = await next(); ; seen = await next()) {
      if (seen.revision < last) continue;
      expect(seen.value).toBe('az? 0');
      break;
    }
  });

  it('computes once for much that changes while a round is long, and at once after a while of rest', async () => {
    const notifier = createNotifier(store);
    void notifier.run(stop.signal);
    let rounds = 0;
    const slow = follow(
      store,
      notifier,
      async (read) => {
        rounds += 1;
        await new Promise((resolve) => setTimeout(resolve, 30));
        return (await read.list(things, 'list/')).length;
      },
      stop.signal,
    );
    const value = async (): Promise<number> => ((await slow.next()).value as Computed<number>).value;
    await value();
    const began = performance.now();
    const all = (async () => {
      while ((await value()) < 200);
    })();
    // Changes, one after the other, of which each alone would be worth a round.
    for (let index = 0; index < 200; index += 1) {
      await put(`list/${index}`, '');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await all;
    // One in 150 ms at most; without rests there would be one for every 30.
    expect(rounds).toBeLessThanOrEqual(3 + (performance.now() - began) / 150);
  });
});
