import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ObjectStore } from '@holdfast/object-store';
import { createVault, keepMachine, openLogWriter, openVault } from '@holdfast/vault';
import { type CommandResult, createTestWorld, type TestWorld } from '../testing/run-command.ts';
import { fillSampleVault, type SampleMachine } from '../testing/sample-vault.ts';

const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 7) } as const;
const KEY_LINE = `holdfast-key-1:${'07'.repeat(32)}`;
const URL = 'memory:sample';

let directory: string;
let world: TestWorld;
let machine: SampleMachine;
let store: ObjectStore;
const at = (name: string): string => path.join(directory, name);

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-'));
  const { createHash } = await import('node:crypto');
  await writeFile(at('key'), `${KEY_LINE}:${createHash('sha256').update(KEY.secret).digest('hex').slice(0, 8)}\n`);
  world = createTestWorld();
  store = world.store(URL);
  await createVault(store, { name: 'office', keys: [KEY] });
  machine = await fillSampleVault(store, KEY);
});
afterEach(() => rm(directory, { recursive: true }));

const run = (words: readonly string[], changes = {}): Promise<CommandResult> =>
  world.run(['vault', words[0]!, ...words.slice(1), '--vault', URL, '--key-file', at('key')], changes);
const json = async (words: readonly string[], status = 0) => {
  const result = await run([...words, '--output', 'json']);
  if (result.status !== status) throw new Error(`${result.status}: ${result.stderr}${result.stdout}`);
  return JSON.parse(result.stdout);
};
const flip = async (name: string, position: (length: number) => number): Promise<void> => {
  const content = Buffer.from(await store.read(name));
  content[position(content.length)]! ^= 1;
  await store.delete(name);
  await store.create(name, content);
};
const names = async (prefix: string): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of store.list(prefix)) found.push(name);
  return found;
};
const copyTo = async (url: string): Promise<void> => {
  for await (const { name } of store.list('')) await world.store(url).create(name, await store.read(name));
};

describe('vault keep', () => {
  it('vouches with a key of the keepers, made the first time, and refuses others', async () => {
    await json(['keep', '--keeper-key', at('keeper.key'), '--adopt']);
    expect((await stat(at('keeper.key'))).mode & 0o777).toBe(0o600);
    expect((await run(['rebuild-catalogue', '--keeper-key', at('keeper.key')])).stdout).toContain('out of the log alone');
    expect((await json(['keep', '--keeper-key', at('keeper.key')])).machines[0].problem).toBeUndefined();
    for (const other of [[], ['--keeper-key', at('other.key')]])
      expect((await json(['keep', ...other], 1)).machines[0].problem.code).toBe('VAULT_NOT_VOUCHED');
    expect((await run(['rebuild-catalogue', '--keeper-key', at('keeper.key')])).stdout).toContain('on top of version');
    expect((await run(['keep', '--keeper-key', at('key')])).stderr).toContain('it is the key that opens the vault');
    expect((await run(['keep', '--adopt'])).stderr).toContain('--keeper-key');
  });

  it('keeps all machines, and forgets nothing unless a retention is named', async () => {
    expect((await json(['keep'])).machines).toMatchObject([{ machine: { name: 'db1' }, thinned: 0, suspended: 'no retention is named' }]);
    const { machines } = await json(['keep', '--retention', '24h']);
    expect(machines[0].suspended).toBeUndefined();
    expect((await json(['keep', '--retention', 'all 2h, 1h 3d, 1w 7y'])).machines[0].suspended).toBeUndefined();
    expect((await run(['keep', '--retention', '7y'])).status).toBe(2);
  });

  it('does so again and again until it is asked to end', async () => {
    const stopping = new AbortController();
    const lines: string[] = [];
    const stdout = {
      write: (text: string) => {
        lines.push(text);
        if (lines.length === 2) stopping.abort();
      },
    };
    const { status } = await run(['keep', '--every', '1s', '--output', 'json', '--pace', '10MiB'], { stdout, stop: stopping.signal });
    expect(status).toBe(0);
    expect(lines.map((line) => JSON.parse(line).machines.length)).toEqual([1, 1]);
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });

  it('names the machine that cannot be kept, and keeps the others', async () => {
    await fillSampleVault(store, KEY, { name: 'web1' });
    await flip((await names(`m/${machine.id}/log/`)).at(-1)!, () => 200);
    const { machines } = await json(['keep'], 1);
    const byName = new Map(machines.map((one: { machine: { name: string } }) => [one.machine.name, one]));
    expect(byName.get('db1')).toMatchObject({ problem: { code: 'DAMAGED' } });
    expect(byName.get('web1')).toMatchObject({ thinned: 0 });
    expect((await run(['keep'])).stdout).toContain('DAMAGED');
  });
});

describe('vault scrub and repair', () => {
  it('find a vault whole, round after round', async () => {
    expect(await json(['scrub'])).toMatchObject({ good: true, machines: [{ round: 1, complete: true, findings: [] }] });
    expect((await json(['scrub'])).machines[0]).toMatchObject({ round: 2 });
    expect((await run(['repair'])).stdout).toContain('Whole: 1 machine.');
  });

  it('name machine, disk, bytes and points of what has rotted, and mend it out of a copy', async () => {
    await copyTo('memory:copy');
    const slot = (await names(`m/${machine.id}/log/`)).at(-1)!;
    await flip(slot, (length) => length - 20);
    const { machines } = await json(['scrub', '--fresh'], 1);
    const [finding] = machines[0].findings;
    expect(finding).toMatchObject({
      object: slot,
      machine: { name: 'db1' },
      disk: { name: 'sdb' },
      extents: [{ offset: 8192, length: 4096 }],
    });
    expect(finding.points).toEqual([expect.objectContaining({ id: machine.points[2]!.id, extents: finding.extents })]);
    const left = await json(['repair'], 1);
    expect(left.machines[0]).toMatchObject({ restored: [], log: { lost: [] }, left: [{ object: slot, disk: { name: 'sdb' } }] });
    expect((await run(['repair'])).stdout).toMatch(/1 point shows it, from 2026-11-22T01:02:00.000Z/);
    const mended = await json(['repair', '--from', 'memory:copy']);
    expect(mended).toMatchObject({ good: true, machines: [{ restored: [slot], left: [] }] });
    expect((await json(['scrub', '--fresh'])).good).toBe(true);
    expect(await store.read(slot)).toEqual(await world.store('memory:copy').read(slot));
  });

  it('step over a slot that no copy has, and say what that costs', async () => {
    await flip(`m/${machine.id}/log/000000000003`, () => 200);
    const report = await json(['repair', '--from', 'memory:empty'], 1);
    expect(report.machines[0]).toMatchObject({ log: { lost: [{ first: 3, last: 3 }] } });
    expect((await json(['points']))[0].total).toBe(2);
    expect((await run(['repair'])).status).toBe(0);
  });

  it('rebuild a catalogue out of what is left', async () => {
    const vault = await openVault(store, KEY);
    await keepMachine(vault, machine.id, { minCuts: 1 });
    const report = await json(['rebuild-catalogue']);
    expect(report).toMatchObject({ machine: { name: 'db1' }, lost: [], voidCuts: 0 });
    expect((await json(['points']))[0].total).toBe(3);
    expect((await run(['check'])).status).toBe(0);
  });
});

describe('vault head', () => {
  it('keeps where the logs stand, and finds a vault that was set back', async () => {
    await copyTo('memory:old');
    const exported = await json(['head', '--export', at('heads')]);
    expect(JSON.parse(await readFile(at('heads'), 'utf8'))).toEqual(exported);
    expect((await run(['head', '--compare', at('heads')])).stdout).toContain('All that was there');
    expect((await run(['head', '--export', at('heads')])).status).not.toBe(0);
    // The newest slot is gone, as in an older copy.
    await world.store('memory:old').delete((await names(`m/${machine.id}/log/`)).at(-1)!);
    const { status, stderr } = await world.run([
      'vault',
      'head',
      '--vault',
      'memory:old',
      '--key-file',
      at('key'),
      '--compare',
      at('heads'),
    ]);
    expect(stderr).toContain('[VAULT_ROLLED_BACK]');
    expect(status).toBeGreaterThan(1);
    await writeFile(at('other'), '{"vault": "x", "heads": []}');
    expect((await run(['head', '--compare', at('other')])).stderr).toContain('[SETTING_INVALID]');
    await writeFile(at('broken'), '{"vault": ');
    expect((await run(['head', '--compare', at('broken')])).stderr).toContain('[DAMAGED]');
  });
});

describe('vault hold and release', () => {
  it('make, list and take away holds', async () => {
    expect((await run(['hold'])).stdout).toContain('No holds');
    const { holds } = await json(['hold', '--reason', 'before the upgrade', '--point', 'latest', '--for', '12h']);
    expect(holds).toMatchObject([{ reason: 'before the upgrade', points: [machine.points[2]!.id], ends: expect.any(String) }]);
    expect((await run(['hold', '--point', 'latest'])).stderr).toContain('[SETTING_INVALID]');
    expect((await run(['release', 'ffff'])).stderr).toContain('[OBJECT_NOT_FOUND]');
    expect((await json(['release', holds[0].id.slice(0, 6)])).holds).toEqual([]);
    expect(await names(`m/${machine.id}/holds/`)).toEqual([]);
  });
});

describe('vault copy', () => {
  it('copies to another place, tells what is there, and refuses another vault', async () => {
    const first = await json(['copy', '--to', 'memory:copy']);
    expect(first).toMatchObject({ present: 0, isHeld: true, machines: [{ name: 'db1', points: 3 }] });
    const { stdout } = await world.run(['vault', 'check', '--vault', 'memory:copy', '--key-file', at('key')]);
    expect(stdout).toContain('Whole: 1 machine checked.');
    expect(await json(['copy', '--to', 'memory:copy', '--prune', '--pace', '100MiB'])).toMatchObject({ objects: 0, pruned: 0 });
    await createVault(world.store('memory:other'), { name: 'other', keys: [KEY] });
    expect((await run(['copy', '--to', 'memory:other'])).stderr).toContain('[OBJECT_EXISTS]');
  });
});

describe('vault stats', () => {
  it('tells sizes, and cost by the prices given', async () => {
    await writeFile(at('prices.yaml'), 'currency: EUR\nstorageGBMonth: 1000\n');
    const { machines, prices, perMonth } = await json(['stats', '--prices', at('prices.yaml')]);
    expect(prices).toMatchObject({ currency: 'EUR', storageGBMonth: 1000, writes10k: 0.05 });
    const [one] = machines;
    expect(one).toMatchObject({ machine: { name: 'db1' }, points: 3, protectedBytes: 10 * 2 ** 20 + 512 });
    const listed = await names(`m/${machine.id}/`);
    let bytes = 0;
    for (const name of listed) bytes += (await store.stat(name)).size;
    expect(one.total).toEqual({ objects: listed.length, bytes });
    expect(one.cost.perMonth.storage).toBeCloseTo((bytes / 1e9) * 1000, 9);
    expect(perMonth).toBeGreaterThan(0);
    expect((await run(['stats'])).stdout).toContain('USD a month');
    await writeFile(at('prices.yaml'), 'storage: 1\n');
    expect((await run(['stats', '--prices', at('prices.yaml')])).stderr).toContain('there is no price called storage');
  });
});

describe('tiers', () => {
  it('are where old parts are moved, and what that costs is told', async () => {
    await copyTo('memory:tiers');
    const there = ['--vault', 'memory:tiers', '--key-file', at('key')];
    const keeping = ['vault', 'keep', ...there, '--cool-after', '1s', '--output', 'json'];
    const vault = await openVault(world.store('memory:tiers'), KEY);
    const writer = await openLogWriter(vault, machine.id, { checkpoint: { slots: 1 } });
    const published = async (): Promise<boolean> => {
      for await (const { size } of vault.store.list(`m/${machine.id}/catalogue/`)) return size > 0;
      return false;
    };
    while (!(await published())) await new Promise((resolve) => setTimeout(resolve, 10));
    await writer.close();
    await keepMachine(vault, machine.id, { minCuts: 1 });
    // The newest object of the store tells its time.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await vault.store.create(`m/${machine.id}/history/${'0'.repeat(32)}`, Buffer.from('a stray'));
    const kept = JSON.parse((await world.run(keeping)).stdout);
    expect(kept.machines[0]).toMatchObject({ moved: expect.any(Number) });
    expect(kept.machines[0].moved).toBeGreaterThan(0);
    const told = await world.run(['vault', 'stats', ...there], { now: Date.now });
    expect(told.stdout).toMatch(/In cooler tiers: .* cool; to delete that today would cost/);
    const [one] = JSON.parse((await world.run(['vault', 'stats', ...there, '--output', 'json'])).stdout).machines;
    expect(one.tiers.cool.objects).toBe(kept.machines[0].moved);
    expect(one.cost.earlyDeletion).toBeGreaterThan(0);
    expect((await run(['keep', '--cool-after', '30d'])).stderr).toContain('[UNSUPPORTED_OPERATION]');
    expect((await run(['keep', '--lock-for', '30d'])).stderr).toContain('no locks that bind everybody');
    expect((await run(['keep', '--lock-for', '3651d'])).stderr).toContain('give 3650d at most');
  });
});

describe('vault undelete', () => {
  it('is for stores that keep versions', async () => {
    expect(await world.run(['vault', 'undelete', '--store', 'memory:new'])).toMatchObject({
      stderr: expect.stringContaining('keeps no versions'),
    });
  });
});

describe('vault validate-store', () => {
  it('says whether a vault can be there', async () => {
    const clock = { now: Date.now };
    const args = ['vault', 'validate-store', '--store', 'memory:new'];
    expect((await world.run(args, clock)).stdout).toContain('Good: a vault can be there.');
    expect(await names('validate/')).toEqual([]);
    // The clock of the test is an hour ahead of the store's of long ago.
    const { status, stdout } = await world.run([...args, '--output', 'json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).checks.filter(({ outcome }: { outcome: string }) => outcome === 'bad')).toMatchObject([{ name: 'clock' }]);
  });
});
