import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import { createVault, readKeyFile } from '@holdfast/vault';
import { parse } from 'yaml';
import { createTestWorld, type TestWorld } from './testing/run-command.ts';
import { fillSampleVault, type SampleMachine } from './testing/sample-vault.ts';

const SECRET = Buffer.alloc(32, 7);
const KEY = { kind: 'key-file', secret: SECRET } as const;
const SAMPLE_URL = 'memory:sample';

let directory: string;
let world: TestWorld;
let machine: SampleMachine;
/** `--vault … --key-file …` of the sample. */
let vault: string[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-'));
  world = createTestWorld();
  const made = await world.run([
    'vault',
    'create',
    '--store',
    SAMPLE_URL,
    '--name',
    'office',
    '--new-key-file',
    at('office.key'),
    '--recovery-kit',
    at('kit'),
  ]);
  if (made.status !== 0) throw new Error(made.stderr);
  vault = ['--vault', SAMPLE_URL, '--key-file', at('office.key')];
  machine = await fillSampleVault(world.store(SAMPLE_URL), await readKeyFile(at('office.key')));
});

afterEach(() => rm(directory, { recursive: true }));

const at = (name: string): string => path.join(directory, name);

describe('vault create', () => {
  it('writes a kit that only its owner may read, and that alone opens the vault', async () => {
    expect((await stat(at('kit'))).mode & 0o777).toBe(0o600);
    const kit = await readFile(at('kit'), 'utf8');
    expect(kit).toContain(SAMPLE_URL);
    expect(kit).toContain((await readFile(at('office.key'), 'utf8')).trim());
    const listed = await world.run(['vault', 'points', '--vault', SAMPLE_URL, '--key-file', at('kit')]);
    expect(listed).toMatchObject({ status: 0, stderr: '' });
  });

  it('keeps the passphrase out of the kit and says where it was', async () => {
    await writeFile(at('pass'), 'correct horse battery\n');
    const args = [
      'vault',
      'create',
      '--store',
      'memory:other',
      '--name',
      'p',
      '--passphrase-file',
      at('pass'),
      '--recovery-kit',
      at('kit2'),
    ];
    const { status, stdout } = await world.run([...args, '--output', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'p', url: 'memory:other', recoveryKit: at('kit2') });
    expect((await world.run(['recover', '--vault', 'memory:other', '--passphrase-file', at('pass')])).stdout).toBe(
      'No machine is registered in this vault: there is nothing to recover.\n',
    );
    const kit = await readFile(at('kit2'), 'utf8');
    expect(kit).toContain(at('pass'));
    expect(kit).not.toContain('correct horse');
    const right = await world.run(['vault', 'inspect', '--vault', 'memory:other'], {
      environment: { HOLDFAST_PASSPHRASE: 'correct horse battery' },
    });
    expect(right.status).toBe(0);
    const wrong = await world.run(['vault', 'inspect', '--vault', 'memory:other'], { askSecret: async () => 'wrong' });
    expect(wrong).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('[VAULT_KEY_WRONG]') });
  });

  it('touches nothing when there is a vault or a kit already, and leaves no key behind that opens nothing', async () => {
    const args = ['vault', 'create', '--store', SAMPLE_URL, '--name', 'x', '--new-key-file', at('x.key')];
    expect(await world.run([...args, '--recovery-kit', at('x.kit')])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[VAULT_EXISTS]'),
    });
    expect(await world.run([...args, '--recovery-kit', at('kit')])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[OBJECT_EXISTS]'),
    });
    expect((await readdir(directory)).sort()).toEqual(['kit', 'office.key']);
  });

  it('does not finish when the kit does not open the vault', async () => {
    const lying = createTestWorld();
    await createVault(lying.store('memory:second'), { name: 'another', keys: [KEY] });
    let opened = 0;
    const { status, stdout, stderr } = await world.run(
      ['vault', 'create', '--store', 'memory:new', '--name', 'n', '--new-key-file', at('n.key'), '--recovery-kit', at('n.kit')],
      { openStore: async (url) => (++opened === 1 ? world.store(url) : lying.store('memory:second')) },
    );
    expect(stdout).toBe('');
    expect(stderr).toMatch(/\[VAULT_KEY_WRONG\] recovery kit .*its kit was not proven/);
    expect(status).toBe(3);
  });

  it('needs a key, and asks twice for a new passphrase', async () => {
    const args = ['vault', 'create', '--store', 'memory:asked', '--name', 'n', '--recovery-kit', at('asked.kit')];
    expect(await world.run(args)).toMatchObject({ status: 2, stderr: expect.stringContaining('--passphrase-file') });
    const answers = ['one', 'two', 'three', 'three'];
    const askSecret = async (): Promise<string> => answers.shift()!;
    expect(await world.run(args, { askSecret })).toMatchObject({ status: 2, stderr: expect.stringContaining('not the same') });
    expect((await world.run(args, { askSecret })).status).toBe(0);
  });
});

describe('vault points', () => {
  it('lists them newest first, with age, disks and breaks', async () => {
    const { status, stdout } = await world.run(['vault', 'points', ...vault]);
    expect(status).toBe(0);
    const [first, heading, ...rows] = stdout.trimEnd().split('\n');
    expect(first).toBe(`db1 (${machine.id}): 3 points`);
    expect(heading).toMatch(/^POINT +TIME +AGE +KIND +CHANGED +DISKS +BREAK$/);
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      [
        machine.points[2]!.id.slice(0, 12),
        '2026-11-22T01:02:00.000Z',
        '58 min 0 s',
        'crash',
        '12.5 KiB',
        'sda 9.0 MiB, sdb 1.0 MiB',
        'sdb: resynchronization',
      ],
      [machine.points[1]!.id.slice(0, 12), '2026-11-22T01:01:00.000Z', '59 min 0 s', 'filesystem', '12.5 KiB', 'sda 9.0 MiB, sdb 1.0 MiB'],
      [machine.points[0]!.id.slice(0, 12), '2026-11-22T01:00:00.000Z', '1 h 0 min', 'crash', '12.5 KiB', 'sda 9.0 MiB, sdb 1.0 MiB'],
    ]);
  });

  it('says the same as JSON and YAML', async () => {
    const json = JSON.parse((await world.run(['vault', 'points', ...vault, '--output', 'json', '--limit', '1'])).stdout);
    expect(json).toEqual([
      {
        machine: { id: machine.id, name: 'db1' },
        total: 3,
        points: [
          {
            id: machine.points[2]!.id,
            time: '2026-11-22T01:02:00.000Z',
            ageSeconds: 3480,
            kind: 'crash',
            disks: machine.disks.map(({ id, name, size }) => ({ id, name, size })),
            generationBreaks: [{ disk: 'sdb', reason: 'resynchronization', detail: 'the machine was restarted' }],
            changed: { data: 12_800, zero: 0, incompressible: 0, atLeast: false },
            unusual: false,
          },
        ],
        unusualWriting: [],
        damage: [],
      },
    ]);
    expect(parse((await world.run(['vault', 'points', ...vault, '-o', 'yaml', '--limit', '1'])).stdout)).toEqual(json);
  });

  it('is not cut for a terminal that does not know its width', async () => {
    const written: string[] = [];
    await world.run(['vault', 'points', ...vault], { stdout: { isTTY: true, columns: 0, write: (text) => written.push(text) } });
    expect(written.join('')).toContain('sdb: resynchronization');
  });

  it('fits the terminal', async () => {
    const lines: string[] = [];
    await world.run(['vault', 'points', ...vault], {
      stdout: { isTTY: true, columns: 80, write: (text) => lines.push(...stripVTControlCharacters(text).split('\n')) },
    });
    expect(Math.max(...lines.map(({ length }) => length))).toBe(80);
    expect(lines.join('\n')).toContain('…');
  });
});

describe('vault export', () => {
  it.each([
    ['latest', 2],
    ['2026-11-22T01:01:59.999Z', 1],
    ['2026-11-22 02:00:30+01:00', 0],
  ])('writes the disk as it was at %s', async (point, index) => {
    const to = at(`${index}.raw`);
    const { status, stdout, stderr } = await world.run([
      'vault',
      'export',
      ...vault,
      '--point',
      point,
      '--disk',
      'sda',
      '--to',
      to,
      '-o',
      'json',
    ]);
    expect(stderr).toContain('100 %  9.0 MiB of 9.0 MiB');
    expect(status).toBe(0);
    expect((await readFile(to)).equals(machine.points[index]!.contents.get('sda')!)).toBe(true);
    expect(JSON.parse(stdout)).toMatchObject({ point: machine.points[index]!.id, file: to, size: machine.disks[0]!.size });
  });

  it.each(['vhd', 'vmdk', 'qcow2'])('as %s: the same image each time, another for another point; a whole machine too', async (format) => {
    const digests: string[] = [];
    for (const point of ['latest', 'latest', machine.points[0]!.id]) {
      const args = ['vault', 'export', ...vault, '--point', point, '-d', 'sda', '--format', format, '--to', at(`x.${format}`), '--force'];
      const { status, stdout } = await world.run([...args, '-o', 'json']);
      const { sha256, virtualSize, format: told } = JSON.parse(stdout);
      expect({ status, told }).toEqual({ status: 0, told: format });
      expect(virtualSize).toBeGreaterThanOrEqual(machine.disks[0]!.size);
      digests.push(sha256);
    }
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
    expect((await world.run(['recover', ...vault, '-m', 'db1', '--export', at('out'), '--format', format])).status).toBe(0);
    expect((await readdir(at('out'))).sort()).toEqual([`sda.${format}`, `sdb.${format}`]);
    expect((await readFile(at(`out/sda.${format}`))).equals(await readFile(at(`x.${format}`)))).toBe(false);
    const { createHash } = await import('node:crypto');
    expect(
      createHash('sha256')
        .update(await readFile(at(`out/sda.${format}`)))
        .digest('hex'),
    ).toBe(digests[0]);
  });

  it('refuses a format it does not know', async () => {
    const { status, stderr } = await world.run(['vault', 'export', ...vault, '-d', 'sda', '--to', at('x'), '--format', 'vhdx']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('raw, vhd, vmdk, qcow2') });
  });

  it('overwrites nothing without --force', async () => {
    await writeFile(at('precious'), 'precious');
    const args = ['vault', 'export', ...vault, '--disk', 'sdb', '--to', at('precious')];
    expect(await world.run(args)).toMatchObject({ status: 8, stdout: '', stderr: expect.stringContaining('--force') });
    expect(await readFile(at('precious'), 'utf8')).toBe('precious');
    expect((await world.run([...args, '--force'])).status).toBe(0);
    expect((await readFile(at('precious'))).equals(machine.points[2]!.contents.get('sdb')!)).toBe(true);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const stop = AbortSignal.abort(new HoldfastError('INTERRUPTED', { thing: 'x', why: 'y', remedy: 'z' }));
    const { status } = await world.run(['vault', 'export', ...vault, '--disk', 'sda', '--to', at('x.raw')], { stop });
    expect(status).toBe(130);
    expect((await readdir(directory)).sort()).toEqual(['kit', 'office.key']);
  });

  it('stops at what the source could not read, or goes on and ends with status 1', async () => {
    const url = 'memory:holes';
    await createVault(world.store(url), { name: 'holes', keys: [await readKeyFile(at('office.key'))] });
    const other = await fillSampleVault(world.store(url), await readKeyFile(at('office.key')), { unreadableBlock: 7 });
    const args = ['vault', 'export', '--vault', url, '--key-file', at('office.key'), '--disk', 'sda', '--to', at('h.raw'), '-o', 'json'];
    expect(await world.run(args)).toMatchObject({ status: 7, stdout: '', stderr: expect.stringContaining('[UNREADABLE_EXTENT]') });
    const { status, stdout } = await world.run([...args, '--skip-unreadable']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).unreadable).toEqual([{ offset: 7 * 4096, length: 4096 }]);
    expect((await readFile(at('h.raw'))).equals(other.points[2]!.contents.get('sda')!)).toBe(true);
  });
});

describe('vault check and inspect', () => {
  it('find a vault whole', async () => {
    const { status, stdout } = await world.run(['vault', 'check', ...vault]);
    expect(status).toBe(0);
    expect(stdout).toContain('Whole: 1 machine checked.');
  });

  it('name what is damaged and end with status 1', async () => {
    const store = world.store(SAMPLE_URL);
    const names: string[] = [];
    for await (const { name } of store.list(`m/${machine.id}/log/`)) names.push(name);
    const name = names.at(-1)!;
    const bytes = Buffer.from(await store.read(name));
    bytes[bytes.length - 20]! ^= 1;
    await store.delete(name);
    await store.create(name, bytes);
    const { status, stdout } = await world.run(['vault', 'check', ...vault, '--output', 'json']);
    expect(status).toBe(1);
    const report = JSON.parse(stdout);
    expect(report.good).toBe(false);
    expect(report.machines[0].findings).toEqual([expect.objectContaining({ code: 'DAMAGED', object: name })]);
    expect((await world.run(['vault', 'check', ...vault])).stdout).toContain(`DAMAGED ${name}`);
  });

  it('warn whoever reads a damaged log, and give what is before the damage', async () => {
    const store = world.store(SAMPLE_URL);
    const name = `m/${machine.id}/log/000000000003`;
    const bytes = Buffer.from(await store.read(name));
    bytes[200]! ^= 1;
    await store.delete(name);
    await store.create(name, bytes);
    const { status, stdout, stderr } = await world.run(['vault', 'export', ...vault, '-d', 'sdb', '--to', at('x.raw'), '-o', 'json']);
    expect({ status, point: JSON.parse(stdout).point }).toEqual({ status: 0, point: machine.points[1]!.id });
    expect(stderr).toContain(`[DAMAGED] ${name}`);
    expect((await world.run(['recover', ...vault])).stdout).toContain(`DAMAGED log of db1: ${name}`);
  });

  it('tell what the vault is made of, and no secret', async () => {
    const { status, stdout } = await world.run(['vault', 'inspect', ...vault, '--output', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'office',
      keySlots: [{ kind: 'key-file' }],
      machines: [{ id: machine.id, name: 'db1', points: 3, generations: 3, disks: 2, terms: 1, dataKeys: 1, damage: [] }],
      unregistered: [],
      strangers: [],
    });
    const [, digits] = (await readFile(at('office.key'), 'utf8')).split(':');
    expect(stdout + (await world.run(['vault', 'inspect', ...vault])).stdout).not.toContain(digits);
  });
});

describe('recover', () => {
  it('shows machines, then points, then writes images', async () => {
    await fillSampleVault(world.store(SAMPLE_URL), await readKeyFile(at('office.key')), { name: 'web1' });
    const machines = await world.run(['recover', ...vault]);
    expect(machines.stdout).toMatch(/^db1 .* 3 /m);
    expect(machines.stdout).toMatch(/^web1 .* 3 /m);
    expect((await world.run(['recover', ...vault, '--machine', machine.id.slice(0, 8)])).stdout).toContain(
      `Point ${machine.points[2]!.id}`,
    );
    const point = machine.points[1]!;
    const { status, stdout } = await world.run([
      'recover',
      ...vault,
      '--machine',
      'db1',
      '--point',
      point.id.slice(0, 10),
      '--export',
      at('images'),
      '-o',
      'json',
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).images.map(({ name }: { name: string }) => name)).toEqual(['sda', 'sdb']);
    for (const [name, content] of point.contents) expect((await readFile(at(`images/${name}.raw`))).equals(content)).toBe(true);
  });

  it('wants to know where the vault is', async () => {
    expect(await world.run(['recover'])).toMatchObject({ status: 2, stderr: expect.stringContaining('[SETTING_INVALID] --vault') });
  });
});

describe('mistakes on the command line', () => {
  it.each<[string, readonly string[], number, RegExp]>([
    ['an unknown command', ['vault', 'pionts'], 2, /^\[SETTING_UNKNOWN\].*Did you mean points\?/],
    ['an unknown option', ['vault', 'points', '--vault', 'x', '--machin', 'y'], 2, /^\[SETTING_UNKNOWN\].*Did you mean --machine\?/],
    ['a missing option', ['vault', 'points'], 2, /^\[SETTING_INVALID\].*--vault/],
    ['a format there is not', ['vault', 'points', '--vault', 'x', '--output', 'xml'], 2, /^\[SETTING_INVALID\].*table, json, yaml, csv/],
    ['two keys', ['vault', 'points', '--vault', 'x', '--key-file', 'a', '--passphrase-file', 'b'], 2, /^\[SETTING_INVALID\]/],
    ['no count', ['vault', 'points', '--vault', 'x', '--limit', '0'], 2, /^\[SETTING_INVALID\] "0"/],
    ['no vault there', ['vault', 'points', '--vault', 'memory:empty', '--key-file', 'KEY'], 4, /^\[VAULT_NOT_FOUND\]/],
    [
      'an address for everybody',
      ['vault', 'serve', '--vault', SAMPLE_URL, '--key-file', 'KEY', '--listen', '0.0.0.0:1'],
      2,
      /^\[SETTING_INVALID\].*ssh -L/,
    ],
    [
      'an unknown machine',
      ['vault', 'points', '--vault', SAMPLE_URL, '--key-file', 'KEY', '-m', 'db2'],
      4,
      /^\[MACHINE_NOT_FOUND\].*did you mean db1\?/,
    ],
    [
      'an unknown disk',
      ['vault', 'export', '--vault', SAMPLE_URL, '--key-file', 'KEY', '--to', 'x', '-d', 'sdc'],
      4,
      /^\[DEVICE_NOT_FOUND\].*did you mean sda or sdb/,
    ],
    [
      'an overlay for two disks',
      ['vault', 'serve', '--vault', SAMPLE_URL, '--key-file', 'KEY', '--listen', 'x', '--overlay', 'y'],
      2,
      /^\[SETTING_INVALID\] --overlay/,
    ],
  ])('%s', async (_what, args, status, told) => {
    const result = await world.run(args.map((argument) => (argument === 'KEY' ? at('office.key') : argument)));
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(told);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('shows help for a command without its verb, and status 2; asked for, status 0', async () => {
    expect(await world.run(['vault'])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('Usage: holdfast vault') });
    const { status, stdout } = await world.run(['recover', '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('Examples:');
  });
});
