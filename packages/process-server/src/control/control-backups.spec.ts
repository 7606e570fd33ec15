import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore } from '@holdfast/object-store';
import type { BackupWanted } from '@holdfast/protocol';
import { newestControlBackups, type Vault } from '@holdfast/vault';
import { type ControlBackupsOptions, createControlBackups } from './control-backups.ts';

const SITE = 'a'.repeat(32);
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;

const wanted = (revision: bigint, keep = 2): BackupWanted => ({ vault: 'office', revision, keep, siteId: SITE }) as BackupWanted;

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await sleep(5);
};

const start = (fetch: NonNullable<ControlBackupsOptions['fetch']>) => {
  const store = createMemoryStore();
  const vault = async (): Promise<Vault> => ({ store }) as Vault;
  const stop = new AbortController();
  const backups = createControlBackups({ membership: {} as never, vault, keeperVault: vault, log: silent, fetch, again: 5 });
  const running = backups.run(stop.signal);
  return {
    backups,
    store,
    async end() {
      stop.abort();
      await running;
    },
  };
};

describe('backups of the configuration server', () => {
  it('are put into the vault when they are wanted, once for each change, and the newest are kept', async () => {
    let fetched = 0;
    const { backups, store, end } = start(async function* () {
      fetched += 1;
      yield Buffer.from(`content ${fetched}`);
    });
    for (const revision of [3n, 3n, 7n, 9n]) {
      backups.want([wanted(revision)]);
      await until(() => backups.report()[0]?.revision === revision);
    }
    expect(fetched).toBe(3);
    expect(backups.report()).toMatchObject([{ vault: 'office', revision: 9n }]);
    expect((await newestControlBackups(store)).map(({ siteId, number }) => [siteId, number])).toEqual([[SITE, 3]]);
    const ends: string[] = [];
    await until(async () => {
      ends.length = 0;
      for await (const { name } of store.list('')) if (name.endsWith('/end')) ends.push(name);
      return ends.length === 2;
    });
    backups.want([]);
    expect(backups.report()).toEqual([]);
    await end();
  });

  it('that fail are told of and tried again; those that were there stay', async () => {
    let isAway = true;
    const { backups, store, end } = start(async function* () {
      yield Buffer.from('first part');
      if (isAway) throw new HoldfastError('CONNECTION_LOST', { thing: 'configuration server', why: 'it is away', remedy: 'wait' });
    });
    backups.want([wanted(1n)]);
    await until(() => backups.report()[0]?.problemCode === 'CONNECTION_LOST');
    expect(await newestControlBackups(store)).toEqual([]);
    isAway = false;
    await until(() => backups.report()[0]?.revision === 1n);
    expect(backups.report()[0]).not.toHaveProperty('problemCode');
    expect(await newestControlBackups(store)).toHaveLength(1);
    await end();
  });
});
