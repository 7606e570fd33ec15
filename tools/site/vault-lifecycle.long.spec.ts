import { cp, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openStore } from '@holdfast/object-store';
import { createVault, openVault, readKeyFile, readMachine, writeKeyFile } from '@holdfast/vault';
import { parse, stringify } from 'yaml';
import type { Person } from './cli-process.ts';
import { type Servers, startServers } from './servers.ts';

/** Milliseconds, ten times what it takes. */
const PATIENCE = 60_000;
const MIB = 1024 * 1024;

let directory: string;
let servers: Servers;
let person: Person;
let ids: Readonly<Record<string, string>>;

const at = (folder: string): string => path.join(directory, folder);
const key = (): string => at('vault.key');

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hf-vaults-'));
  await writeKeyFile(key());
  const make = async (folder: string): Promise<string> => {
    const vault = await createVault(await openStore(`file:${at(folder)}`), { name: folder, keys: [await readKeyFile(key())] });
    await vault.close();
    return vault.id;
  };
  ids = { one: await make('one'), two: await make('two') };
  const settings = 'alerts: { interval: 1s, calm: 0s, away-warning: 10s }';
  servers = await startServers({ directory: at('site'), vault: `file:${at('one')}`, keyFile: key(), settings });
  ({ person } = servers);
});
afterEach(async () => {
  await servers?.stop();
  await rm(directory, { recursive: true });
});

const until = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  let last: unknown;
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const found = await ask().catch((reason: unknown) => {
      last = reason;
      return undefined;
    });
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it never came to be: ${what}; ${String(last)}`);
};

interface ShownVault {
  readonly id: string;
  readonly name: string;
  readonly health: string;
  readonly problems: readonly string[];
  readonly location: string;
  readonly decommissioned: unknown;
  readonly servers: readonly { readonly calls: string; readonly state: string; readonly connected: boolean }[];
  readonly machinesWithin: readonly { readonly name: string }[];
}

const show = (vault: string): Promise<ShownVault> => person.json(['vault', 'show', vault]);
const codes = async (): Promise<string[]> =>
  (await person.json<{ code: string }[]>(['event', 'list', '--limit', '500'])).map(({ code }) => code);

/** Starts the process server anew with these vaults: names, and folders. */
const restart = async (
  folders: Readonly<Record<string, string>>,
  meanwhile: () => Promise<unknown> = async () => undefined,
): Promise<void> => {
  await servers.processServer.stop();
  await meanwhile();
  const config = path.join(at('site'), 'ps', 'settings.yaml');
  const settings = parse(await readFile(config, 'utf8')) as Record<string, unknown>;
  const vaults = Object.fromEntries(
    Object.entries(folders).map(([name, folder]) => [name, { url: `file:${at(folder)}`, 'key-file': key() }]),
  );
  await writeFile(config, stringify({ ...settings, vaults }));
  await servers.processServer.start();
};

/** What a vault knows of its one machine. */
const inVault = async (folder: string) => {
  const vault = await openVault(await openStore(`file:${at(folder)}`), await readKeyFile(key()));
  try {
    const [machine] = await vault.machines();
    if (machine === undefined) return { points: 0, generations: 0, newest: 0 };
    const { points, generations } = await readMachine(vault, machine.id);
    return { points: points.length, generations: [...generations.values()].length, newest: points.at(-1)?.time ?? 0 };
  } finally {
    await vault.close();
  }
};

let fill = 1;
/** Changes the disk, and waits until a point after that is in the vault. */
const replicatesInto = async (folder: string): Promise<void> => {
  fill += 1;
  const file = await open(at('disk.img'), 'r+');
  await file.write(Buffer.alloc(4096, fill), 0, 4096, MIB);
  await file.sync();
  await file.close();
  const changed = Date.now();
  await until(`points in ${folder}`, async () => ((await inVault(folder)).newest > changed ? true : undefined));
};

/** A machine whose one disk is a file, protected into a vault. */
const protectMachine = async (vault: string): Promise<string> => {
  await writeFile(at('disk.img'), Buffer.alloc(4 * MIB, 7));
  await servers.startAgent({
    disks: { include: [at('disk.img')] },
    hrl: { quota: '64MiB', memory: '0B' },
    points: { interval: '1s' },
    sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
    report: { interval: '500ms' },
  });
  const name = await until('the machine', async () => (await person.json<{ name: string }[]>(['machine', 'list']))[0]?.name);
  await person.json(['protect', name, '--vault', vault, '--wait']);
  return name;
};

const copy = (from: string, to: string) =>
  person.json(['vault', 'copy', '--vault', `file:${at(from)}`, '--key-file', key(), '--to', `file:${at(to)}`]);

describe('vaults under a machine that is protected', () => {
  it('change names in the settings and in the site, are refused where a name denotes another one, and move', async () => {
    const machine = await protectMachine('office');
    expect(await show('office')).toMatchObject({ id: ids['one'], location: `file:${at('one')}`, machinesWithin: [{ name: machine }] });
    await replicatesInto('one');
    const { generations } = await inVault('one');

    // Two vaults: the new one has the name of the old one, which is called otherwise. Protections are bound to what it is.
    await restart({ attic: 'one', office: 'two' });
    await replicatesInto('one');
    await until('the other vault', async () => ((await person.json<unknown[]>(['vault', 'list'])).length === 2 ? true : undefined));
    expect(await show(ids['one']!)).toMatchObject({ name: 'office', health: 'healthy', servers: [{ calls: 'attic', state: 'open' }] });
    expect(await show(ids['two']!)).toMatchObject({ name: 'office-2', machinesWithin: [] });
    expect((await person.run(['vault', 'rename', 'office', 'headquarters'])).status).toBe(0);
    expect((await person.run(['vault', 'rename', 'office-2', 'headquarters'])).stderr).toContain('[NAME_TAKEN]');
    expect(await person.json(['machine', 'show', machine])).toMatchObject({ protection: { vault: 'headquarters' } });
    await replicatesInto('one');

    // The name that the vault has in the settings denotes another one: nothing is written there, and it is told.
    const before = await readdir(at('two'), { recursive: true });
    await restart({ attic: 'two' });
    const replaced = await until('an alert', async () => {
      const { health, problems } = await show('headquarters');
      return problems.some((words) => words.includes('call another vault attic now')) ? { health } : undefined;
    });
    expect(replaced.health).toBe('critical');
    expect((await readdir(at('two'), { recursive: true })).filter((name) => /^m\//.test(name))).toEqual([]);
    expect(before.filter((name) => /^m\//.test(name))).toEqual([]);

    // A copy that is behind what was acknowledged is refused; one that is complete goes on, without a resynchronization.
    await restart({ attic: 'one', office: 'two' });
    await replicatesInto('one');
    await copy('one', 'behind');
    await replicatesInto('one');
    await restart({ attic: 'behind', office: 'two' }, () => copy('one', 'moved'));
    await until('a refusal', async () => {
      return (await codes()).includes('VAULT_ROLLED_BACK') ? true : undefined;
    });
    const points = (await inVault('behind')).points;
    expect(points).toBeLessThan((await inVault('moved')).points);
    await restart({ attic: 'moved', office: 'two' });
    await replicatesInto('moved');
    expect((await inVault('behind')).points).toBe(points);
    expect(await inVault('moved')).toMatchObject({ generations });
    await until('healthy', async () => ((await show('headquarters')).health === 'healthy' ? true : undefined));
    expect(await show('headquarters')).toMatchObject({ id: ids['one'], location: `file:${at('moved')}` });
    const told = await codes();
    // Where the copy that is behind is all there is left, somebody has to say so: the machine is protected anew.
    await restart({ attic: 'behind', office: 'two' });
    expect((await person.run(['unprotect', machine, '--yes', '--wait'])).status).toBe(0);
    expect((await person.run(['protect', machine, '--vault', 'headquarters', '--wait'])).status).toBe(0);
    await replicatesInto('behind');
    expect((await inVault('behind')).points).toBeGreaterThan(points);
    expect(told).toEqual(expect.arrayContaining(['vault-registered', 'vault-renamed', 'vault-replaced', 'vault-moved']));
    expect(told.filter((code) => code.startsWith('resync'))).toEqual([]);
  }, 300_000);

  it('are given up when nothing uses them, or by force when they cannot be reached; the machine goes to another one', async () => {
    const machine = await protectMachine('office');
    await replicatesInto('one');
    expect((await person.run(['vault', 'decommission', 'office'])).stderr).toContain('[VAULT_IN_USE]');
    // There, it is not given up by force either.
    expect((await person.run(['vault', 'decommission', 'office', '--force', '--yes'])).stderr).toContain('[VAULT_IN_USE]');
    await restart({ office: 'one', attic: 'two' });
    await until('the other vault', async () => ((await person.json<unknown[]>(['vault', 'list'])).length === 2 ? true : undefined));
    expect((await person.run(['vault', 'decommission', 'attic'])).stdout).toContain('still in the settings of');
    await restart({ office: 'one', attic: 'two' }, () => rename(at('one'), at('lost')));
    await until('unreachable', async () => {
      const { health, servers: all } = await show('office');
      return health === 'critical' && all[0]?.state === 'unreachable' ? true : undefined;
    });
    // It did not come back with the process server's next hello.
    expect((await show('attic')).decommissioned).not.toBeNull();
    expect((await person.run(['protect', machine, '--vault', 'attic'])).stderr).toContain('[VAULT_DECOMMISSIONED]');
    const { stdout, status } = await person.run(['vault', 'decommission', 'office', '--force', '--yes']);
    expect({ status, isTold: stdout.includes(`No longer protected: ${machine}`) }).toEqual({ status: 0, isTold: true });
    expect((await person.run(['vault', 'readmit', 'attic'])).status).toBe(0);
    expect((await person.run(['protect', machine, '--vault', 'attic', '--wait'])).status).toBe(0);
    await replicatesInto('two');
    // The objects are as they were.
    await cp(at('lost'), at('found'), { recursive: true });
    expect((await inVault('found')).points).toBeGreaterThan(0);
  }, 300_000);
});
