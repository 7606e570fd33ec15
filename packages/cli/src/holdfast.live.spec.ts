import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { openStore } from '@holdfast/object-store';
import { readKeyFile } from '@holdfast/vault';
import { fillSampleVault, type SampleMachine } from './testing/sample-vault.ts';
import { runCommand, startCommand } from './testing/start-command.ts';

const runTool = promisify(execFile);

describe.unless(lacks('qemu-img', 'qemu-io', 'nbdcopy'), 'holdfast as a process', () => {
  let directory: string;
  let machine: SampleMachine;
  let vault: string[];

  const at = (name: string): string => path.join(directory, name);
  const url = (): string => `file:${at('vault')}`;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-live-'));
    const made = await runCommand([
      'vault',
      'create',
      '--store',
      url(),
      '--name',
      'office',
      '--new-key-file',
      at('key'),
      '--recovery-kit',
      at('kit'),
    ]);
    if (made.status !== 0) throw new Error(made.stderr);
    vault = ['--vault', url(), '--key-file', at('key')];
    const store = await openStore(url());
    machine = await fillSampleVault(store, await readKeyFile(at('key')));
    await store.close();
  });

  afterAll(() => rm(directory, { recursive: true }));

  it('lists the points, from the recovery kit alone', async () => {
    const { status, stdout, stderr } = await runCommand(['recover', '--vault', url(), '--key-file', at('kit'), '--output', 'json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout).points.map(({ id }: { id: string }) => id)).toEqual(machine.points.map(({ id }) => id).reverse());
  });

  it('exports what qemu-img finds identical with what is served, sparse, with its digest', async () => {
    const raw = at('sda.raw');
    const exported = await runCommand(['vault', 'export', ...vault, '--disk', 'sda', '--to', raw]);
    expect(exported.status).toBe(0);
    const content = await readFile(raw);
    expect(content.equals(machine.points[2]!.contents.get('sda')!)).toBe(true);
    expect(exported.stdout).toContain(createHash('sha256').update(content).digest('hex'));
    const { size, blocks, mode } = await stat(raw);
    expect(blocks * 512).toBeLessThan(size / 4);
    expect(mode & 0o777).toBe(0o600);

    const server = startCommand(['vault', 'serve', ...vault, '--listen', at('nbd.sock')]);
    const [uri] = await server.written(/nbd\+unix:\S*\/sda\?\S+/);
    // qemu-img rounds a disk up to whole sectors, which this one has.
    await runTool('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', uri, raw]);
    await runTool('nbdcopy', [uri, at('copy.raw')]);
    expect((await readFile(at('copy.raw'))).equals(content)).toBe(true);
    // The control: another point is not identical.
    await runCommand(['vault', 'export', ...vault, '--disk', 'sda', '--point', machine.points[0]!.id, '--to', at('old.raw')]);
    await expect(runTool('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', uri, at('old.raw')])).rejects.toMatchObject({ code: 1 });

    server.child.kill('SIGINT');
    expect((await server.ended).status).toBe(0);
    await expect(stat(at('nbd.sock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps what is written in the overlay and goes on with it, for this point only', async () => {
    const serve = (point: string) =>
      startCommand([
        'vault',
        'serve',
        ...vault,
        '--disk',
        'sdb',
        '--point',
        point,
        '--listen',
        '127.0.0.1:0',
        '--overlay',
        at('sdb.overlay'),
      ]);
    const first = serve('latest');
    const [uri] = await first.written(/nbd:\/\/127\.0\.0\.1:\d+\/sdb/);
    await runTool('qemu-io', ['-f', 'raw', '-c', 'write -P 0x5a 64k 4k', uri]);
    first.child.kill('SIGTERM');
    expect((await first.ended).status).toBe(0);

    const second = serve('latest');
    const [again] = await second.written(/nbd:\/\/127\.0\.0\.1:\d+\/sdb/);
    await runTool('nbdcopy', [again, at('sdb.raw')]);
    second.child.kill('SIGINT');
    expect((await second.ended).status).toBe(0);
    const expected = Buffer.from(machine.points[2]!.contents.get('sdb')!).fill(0x5a, 64 * 1024, 68 * 1024);
    expect((await readFile(at('sdb.raw'))).equals(expected)).toBe(true);

    expect(await serve(machine.points[0]!.id).ended).toMatchObject({ status: 8, stderr: expect.stringContaining('[OVERLAY_MISMATCH]') });
  });

  it('serves a whole machine, writable, for recovery', async () => {
    const args = ['recover', ...vault, '--serve', at('machine.sock'), '--overlay', at('overlays')];
    const server = startCommand(args);
    await server.written(/Serving/);
    for (const disk of machine.disks)
      await runTool('qemu-io', ['-f', 'raw', '-c', 'write -P 1 0 4k', `nbd+unix:///${disk.name}?socket=${at('machine.sock')}`]);
    expect(await runCommand(args)).toMatchObject({ status: 8 });
    server.child.kill('SIGINT');
    expect((await server.ended).status).toBe(0);
  });

  it('refuses a key file that is none, and a passphrase of nobody', async () => {
    await writeFile(at('not-a-key'), 'hello\n');
    expect(await runCommand(['vault', 'points', '--vault', url(), '--key-file', at('not-a-key')])).toMatchObject({ status: 7 });
    const wrong = await runCommand(['vault', 'points', '--vault', url()], { HOLDFAST_PASSPHRASE: 'guess' });
    expect(wrong).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('[VAULT_KEY_WRONG]') });
  });

  it('checks a whole vault well, and finds one flipped bit', async () => {
    expect(await runCommand(['vault', 'check', ...vault])).toMatchObject({ status: 0, stdout: expect.stringContaining('Whole') });
    const name = `m/${machine.id}/log/000000000002`;
    const file = await open(path.join(at('vault'), name), 'r+');
    const { size } = await file.stat();
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, size - 30);
    byte[0]! ^= 0x10;
    await file.write(byte, 0, 1, size - 30);
    await file.close();
    const { status, stdout } = await runCommand(['vault', 'check', ...vault]);
    expect(status).toBe(1);
    expect(stdout).toContain(`DAMAGED ${name}`);
  });
});
