import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readKeyFile } from '@holdfast/vault';
import { createTestWorld, type TestWorld } from '../testing/run-command.ts';
import { fillSampleVault, type SampleMachine } from '../testing/sample-vault.ts';

const URL = 'memory:sample';
const KEY = 'https://acme.vault.azure.net/keys/office';

let directory: string;
let world: TestWorld;
let machine: SampleMachine;
const at = (name: string): string => path.join(directory, name);
const opened = (...by: string[]): string[] => ['--vault', URL, ...(by.length === 0 ? ['--key-file', at('office.key')] : by)];

const good = async (args: readonly string[], changes?: Parameters<TestWorld['run']>[1]): Promise<unknown> => {
  const { status, stdout, stderr } = await world.run([...args, '--output', 'json'], changes);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
};
const list = (...by: string[]): Promise<{ holders: { id: string; kind: string; label: string; state: string; own: boolean }[] }> =>
  good(['vault', 'key', 'list', ...opened(...by)]) as never;
const openedBy = async (...by: string[]): Promise<number> => (await world.run(['vault', 'points', ...opened(...by)])).status;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-keys-'));
  world = createTestWorld();
  const made = await world.run([
    ...['vault', 'create', '--store', URL, '--name', 'office'],
    ...['--new-key-file', at('office.key'), '--recovery-kit', at('kit')],
  ]);
  if (made.status !== 0) throw new Error(made.stderr);
  machine = await fillSampleVault(world.store(URL), await readKeyFile(at('office.key')));
});
afterEach(() => rm(directory, { recursive: true }));

describe('vault key', () => {
  it('adds holders of every kind, each with a kit that alone opens the vault, and lists them', async () => {
    await writeFile(at('pass'), 'correct horse battery\n');
    const kits = ['--recovery-kit'];
    await good(['vault', 'key', 'add', ...opened(), '--new-key-file', at('ana.key'), '--label', 'Ana', ...kits, at('ana.kit')]);
    await good(['vault', 'key', 'add', ...opened(), '--new-passphrase-file', at('pass'), '--label', 'safe', ...kits, at('pass.kit')]);
    await good(['vault', 'key', 'add', ...opened(), '--new-key-vault', KEY, ...kits, at('cloud.kit')]);
    const { holders } = await list('--key-file', at('ana.key'));
    expect(holders.map(({ kind, label, state, own }) => [kind, label, state, own])).toEqual([
      ['key-file', '', 'holder', false],
      ['key-file', 'Ana', 'holder', true],
      ['passphrase', 'safe', 'holder', false],
      ['key-vault', '', 'holder', false],
    ]);
    // With every slot of the vault lost, each of them is let in by its kit, and by nothing less.
    for (const { id } of holders) await world.store(URL).delete(`keys/${id}`);
    for (const [by, kit] of [
      [['--passphrase-file', at('pass')], 'pass.kit'],
      [['--key-vault', KEY], 'cloud.kit'],
    ] as const) {
      expect(await openedBy(...by)).toBe(7);
      expect(await openedBy(...by, '--kit', at(kit))).toBe(0);
    }
    expect(await openedBy('--key-file', at('ana.key'))).toBe(7);
    for (const kit of ['kit', 'ana.kit']) expect(await openedBy('--key-file', at(kit))).toBe(0);
    for (const kit of ['ana.kit', 'pass.kit', 'cloud.kit']) expect((await stat(at(kit))).mode & 0o777).toBe(0o600);
    expect(await readFile(at('pass.kit'), 'utf8')).not.toContain('correct horse');
    expect(await readFile(at('cloud.kit'), 'utf8')).toContain(KEY);
  });

  it('takes a key back by its label or id, but neither the last one nor the one in use', async () => {
    await good(['vault', 'key', 'add', ...opened(), '--new-key-file', at('ana.key'), '--label', 'Ana', '--recovery-kit', at('ana.kit')]);
    const [own] = (await list()).holders;
    expect(await world.run(['vault', 'key', 'remove', own!.id, ...opened()])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('opened with this key'),
    });
    await good(['vault', 'key', 'remove', 'Ana', ...opened()]);
    expect(await openedBy('--key-file', at('ana.kit'))).toBe(3);
    expect(await world.run(['vault', 'key', 'remove', own!.id.slice(0, 4), ...opened()])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[VAULT_LAST_HOLDER]'),
    });
    expect(await world.run(['vault', 'key', 'remove', 'nobody', ...opened()])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('[KEY_NOT_FOUND]'),
    });
  });

  it('rotates data keys: all is read, and checked', async () => {
    expect(await good(['vault', 'key', 'rotate', ...opened(), '--machine', 'db1'])).toEqual([{ machineId: machine.id, epoch: 2 }]);
    expect(await good(['vault', 'key', 'rotate', ...opened()])).toEqual([{ machineId: machine.id, epoch: 3 }]);
    const whole = await world.run(['vault', 'check', ...opened(), '--output', 'json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ good: true, keys: { findings: [] } });
    const store = world.store(URL);
    await store.delete(`m/${machine.id}/keys/000000000003`);
    await store.create(`m/${machine.id}/keys/000000000003`, Buffer.alloc(200, 1));
    const checked = await world.run(['vault', 'check', ...opened()]);
    expect(checked).toMatchObject({ status: 1, stdout: expect.stringContaining(`DAMAGED m/${machine.id}/keys/000000000003`) });
  });

  it('gives a new root key that only the new key opens; data from before is read with it', async () => {
    await good(['vault', 'key', 'add', ...opened(), '--new-key-vault', KEY, '--recovery-kit', at('cloud.kit')]);
    const rekeyed = await good(['vault', 'key', 'rekey', ...opened(), '--new-key-file', at('new.key'), '--recovery-kit', at('new.kit')]);
    expect(rekeyed).toMatchObject({ rootKeys: 2, machines: 1, removed: [expect.any(String), expect.any(String)] });
    for (const by of [
      ['--key-file', at('kit')],
      ['--key-file', at('office.key')],
      ['--key-vault', KEY],
    ]) {
      const refused = await world.run(['vault', 'points', ...opened(...by)]);
      expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('[VAULT_KEY_WRONG]') });
    }
    const to = at('sda.raw');
    const exported = await world.run(['vault', 'export', ...opened('--key-file', at('new.kit')), '--disk', 'sda', '--to', to]);
    expect(exported.status).toBe(0);
    expect((await readFile(to)).equals(machine.points[2]!.contents.get('sda')!)).toBe(true);
  });

  it('leaves a vault that was not changed when the new key is no good, and says what is with a key file that was made', async () => {
    const before = await list();
    const answers = ['one', 'two'];
    const mistyped = await world.run(['vault', 'key', 'add', ...opened()], { askSecret: async () => answers.shift()! });
    expect(mistyped).toMatchObject({ status: 2, stderr: expect.stringContaining('not the same') });
    await writeFile(at('taken.kit'), 'x');
    const taken = await world.run(['vault', 'key', 'add', ...opened(), '--new-key-file', at('x.key'), '--recovery-kit', at('taken.kit')]);
    expect(taken).toMatchObject({ status: 8, stderr: expect.stringContaining('[OBJECT_EXISTS]') });
    expect(await readdir(directory)).not.toContain('x.key');
    expect(await list()).toEqual(before);
    const refusing = Object.assign(Object.create(world.store(URL)), {
      create: async () => Promise.reject(new Error('no')),
      close: async () => {},
    });
    const failed = await world.run(['vault', 'key', 'add', ...opened(), '--new-key-file', at('x.key')], {
      openStore: async () => refusing,
    });
    expect(failed.stderr).toContain('Keep it until then');
    expect(await readdir(directory)).toContain('x.key');
  });

  it('never takes or shows a secret on the command line', async () => {
    const line = (await readFile(at('office.key'), 'utf8')).trim();
    const shown = [
      await world.run(['vault', 'key', 'list', ...opened()]),
      await world.run(['vault', 'key', 'kit', ...opened(), '--recovery-kit', at('k2')]),
    ];
    for (const { status, stdout, stderr } of shown) {
      expect(status).toBe(0);
      expect(stdout + stderr).not.toContain(line.split(':')[1]);
    }
    expect(await readFile(at('k2'), 'utf8')).toContain(line);
  });

  it('shows which verbs there are', async () => {
    const { stdout, stderr } = await world.run(['vault', 'key', '--help']);
    for (const verb of ['list', 'add', 'remove', 'kit', 'rotate', 'rekey'])
      expect(stdout + stderr).toMatch(new RegExp(`^ +${verb}\\b`, 'm'));
    expect((await world.run(['vault', 'key', 'dance', ...opened()])).status).toBe(2);
  });
});
