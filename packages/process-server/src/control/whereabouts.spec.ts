import { setTimeout as sleep } from 'node:timers/promises';
import { encodeWhereabouts, whereaboutsText } from '@holdfast/daemon';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import { createTestAuthority, type TestAuthority } from '@holdfast/protocol/conformance';
import { putControlAddresses, readControlAddresses, type Vault } from '@holdfast/vault';
import { createWhereabouts } from './whereabouts.ts';

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 20_000; !(await holds()); await sleep(2)) if (Date.now() > end) throw new Error('it never came to be');
};

describe('where the configuration server is', () => {
  let authority: TestAuthority;
  let store: ObjectStore;
  let isAway: boolean;
  let heeded: string[];
  let warnings: string[];
  let stop: AbortController;
  let running: Promise<void>;
  let whereabouts: ReturnType<typeof createWhereabouts>;

  const contentOf = async (address: string, made: number, by = authority): Promise<Uint8Array<ArrayBuffer>> => {
    const told = { addresses: [address], made };
    return encodeWhereabouts(told, await by.sign(whereaboutsText(told)));
  };
  const inVault = async (): Promise<string[]> => (await readControlAddresses(store)).map(({ content }) => Buffer.from(content).toString());

  beforeEach(async () => {
    authority = await createTestAuthority();
    store = createMemoryStore();
    isAway = false;
    heeded = [];
    warnings = [];
    const log = { debug() {}, info() {}, warn: (words: string) => void warnings.push(words), error() {}, child: () => log } as never;
    whereabouts = createWhereabouts({
      membership: {
        credentials: { current: () => ({ authorities: authority.certificate }) as never },
        async heed(content) {
          const isOurs = Buffer.from(content).includes('ours');
          if (isOurs) heeded.push(Buffer.from(content).toString());
          return isOurs;
        },
      },
      vaults: { names: ['office'], open: async () => ({ store }) as Vault },
      isAway: () => isAway,
      log,
      pace: { look: 2, read: 10 },
    });
    stop = new AbortController();
    running = whereabouts.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('is put into the vault when the server tells, once however often it tells the same, and told to agents', async () => {
    const told: string[] = [];
    const forget = whereabouts.follow((content) => told.push(Buffer.from(content).toString()));
    const first = await contentOf('ours:1', 1);
    whereabouts.take(first);
    whereabouts.take(first);
    await until(async () => (await inVault()).length === 1);
    // Signed again after a restart, and the same.
    whereabouts.take(await contentOf('ours:1', 2));
    whereabouts.take(await contentOf('ours:2', 3));
    await until(async () => (await inVault())[0]!.includes('ours:2'));
    let names = 0;
    for await (const _ of store.list('')) names += 1;
    expect(names).toBe(2);
    expect(told).toHaveLength(3);
    forget();
    whereabouts.take(await contentOf('ours:3', 4));
    expect(told).toHaveLength(3);
    // Who comes later is told what is known.
    whereabouts.follow((content) => told.push(Buffer.from(content).toString()));
    expect(told.at(-1)).toContain('ours:3');
  });

  it('is looked up in the vault while the server is away, only then, and told to agents at once', async () => {
    await putControlAddresses(store, { authority: authority.fingerprint, content: await contentOf('ours:5', 5) });
    await sleep(30);
    expect(heeded).toEqual([]);
    isAway = true;
    await until(() => heeded.length > 0);
    const told: string[] = [];
    whereabouts.follow((content) => told.push(Buffer.from(content).toString()));
    expect(told[0]).toContain('ours:5');
  });

  it('of another authority is told to people, once, and to nobody else', async () => {
    const other = await createTestAuthority();
    await putControlAddresses(store, { authority: other.fingerprint, content: await contentOf('stranger:1', 9, other) });
    const told: Uint8Array[] = [];
    whereabouts.follow((content) => told.push(content));
    isAway = true;
    await until(() => warnings.length > 0);
    await sleep(40);
    expect(warnings).toEqual([expect.stringContaining('another certificate authority')]);
    expect(told).toEqual([]);
    whereabouts.take(await contentOf('stranger:1', 9, other));
    expect(warnings.at(-1)).toContain('cannot be passed on');
    expect(told).toEqual([]);
  });
});
