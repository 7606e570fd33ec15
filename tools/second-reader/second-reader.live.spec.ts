import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
// The system's own: the libraries come from apt.
const PYTHON = '/usr/bin/python3';
const ROOT = path.join(__dirname, '../..');
const GOLDEN = path.join(ROOT, 'packages/vault/fixtures');

type Disks = Record<string, { readonly size: number; readonly sha256: string; readonly unreadableBlocks: readonly number[] }>;
interface Expected {
  readonly keyFile: string;
  readonly passphrase: string;
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly head: { readonly sequence: number };
    readonly points: readonly { readonly id: string; readonly time: number; readonly disks: Disks }[];
  }[];
}

const MODULES = ['cryptography', 'lz4', 'zstandard'].map((module) => `/usr/lib/python3/dist-packages/${module}`);

describe.unless(lacks(PYTHON, ...MODULES), 'the second reader', () => {
  let work: string;
  beforeEach(() => {
    work = mkdtempSync(path.join(tmpdir(), 'holdfast-reader-'));
  });
  afterEach(() => rmSync(work, { recursive: true }));

  const reader = async (...options: string[]) => (await run(PYTHON, [path.join(__dirname, 'main.py'), ...options])).stdout;
  const expectedOf = (golden: string): Expected => JSON.parse(readFileSync(path.join(golden, 'expected.json'), 'utf8'));
  const keyOf = ({ keyFile, passphrase }: Expected) => {
    const sum = createHash('sha256').update(Buffer.from(keyFile, 'hex')).digest('hex').slice(0, 8);
    writeFileSync(path.join(work, 'key'), `holdfast-key-1:${keyFile}:${sum}\n`);
    writeFileSync(path.join(work, 'passphrase'), `${passphrase}\n`);
    return ['--key-file', path.join(work, 'key')] as const;
  };
  const linesOf = ({ machines }: Expected) =>
    machines.flatMap(({ id, name, head, points }) => [
      { machine: id, name, head: head.sequence === -1 ? null : head },
      ...points.map((point) => ({ machine: id, point: point.id, time: point.time, disks: point.disks })),
    ]);
  const parse = (stdout: string): unknown[] =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  const itReadsAll = async (golden: string): Promise<void> => {
    const expected = expectedOf(golden);
    const vault = ['--vault', path.join(golden, 'vault')];
    expect(parse(await reader(...vault, ...keyOf(expected), 'digest'))).toEqual(linesOf(expected));
  };
  it.each(readdirSync(GOLDEN))('restores every point of golden vault %s', (release) => itReadsAll(path.join(GOLDEN, release)));

  const make = async (maker: string, ...options: string[]): Promise<void> => {
    const program = path.join(ROOT, 'packages/vault/src/testing', maker);
    await run(process.execPath, ['--conditions=@holdfast/source', program, work, ...options], { cwd: ROOT });
  };
  it('restores every point of such a vault written by the writer of today', async () => {
    await make('make-golden.ts');
    await itReadsAll(work);
  });
  it.each(['1', '2'])('restores every point of a random history (%s)', async (seed) => {
    await make('make-random.ts', seed);
    await itReadsAll(work);
  });

  it('restores a disk into a file, with a passphrase too, and never over one that is there', async () => {
    const expected = expectedOf(path.join(GOLDEN, 'v1'));
    keyOf(expected);
    const { id, points } = expected.machines.find((machine) => machine.points.length > 0)!;
    const [diskId, disk] = Object.entries(points[0]!.disks)[0]!;
    const out = path.join(work, 'disk');
    const restore = ['restore', id, points[0]!.id, diskId, out];
    const options = ['--vault', path.join(GOLDEN, 'v1/vault'), '--passphrase-file', path.join(work, 'passphrase')];
    await reader(...options, ...restore);
    const { stdout } = await run('sha256sum', [out]);
    expect(stdout.split(' ')[0]).toBe(disk.sha256);
    await expect(reader(...options, ...restore)).rejects.toThrow('File exists');
  });

  it('names a damaged object and ends with 1', async () => {
    const golden = path.join(work, 'golden');
    cpSync(path.join(GOLDEN, 'v1'), golden, { recursive: true });
    const expected = expectedOf(golden);
    const { id } = expected.machines.find(({ name }) => name === 'golden-db')!;
    const slot = path.join(golden, `vault/m/${id}/log/000000000004`);
    const data = readFileSync(slot);
    data[200]! ^= 1;
    writeFileSync(slot, data);
    await expect(reader('--vault', path.join(golden, 'vault'), ...keyOf(expected), 'digest')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`m/${id}/log/000000000004: is damaged`),
    });
  });

  it.each(readdirSync(GOLDEN))(
    'serves nothing wrong of golden vault %s, whatever is flipped, swapped, lost or cut off',
    async (release) => {
      const { stderr } = await run(PYTHON, [path.join(__dirname, 'test_reader.py'), path.join(GOLDEN, release)]);
      expect(stderr).toContain('OK');
    },
  );
});
