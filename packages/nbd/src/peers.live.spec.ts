import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlockDevice, createFileDevice, createMemoryDevice, createOverlay, openFileDevice } from '@holdfast/block';
import { createNbdServer } from './server.ts';
import { collect, end, run, succeed } from './testing/run.ts';
import { changed, closeServers, type Served, serve, until } from './testing/served.ts';

// Our server with clients that are not ours.

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;

afterEach(closeServers);

/** Data, zeroes and nothing, in pieces of many sizes. */
const patchwork = (): Buffer => {
  const bytes = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 5 * MIB) randomBytes(MIB + (at % 77_777)).copy(bytes, at + 4096);
  return bytes;
};

const memory = async (content: Buffer): Promise<BlockDevice> => {
  const device = createMemoryDevice(content.length);
  await device.write(0, content);
  // Written zeroes take room in memory; as holes they show up in the block status.
  for (let at = 0; at < content.length; at += 65_536) {
    if (content.subarray(at, at + 65_536).every((byte) => byte === 0)) await device.zero(at, 65_536);
  }
  return device;
};

const contentOf = async (device: BlockDevice): Promise<Buffer> => {
  const bytes = Buffer.alloc(device.size);
  await device.read(0, bytes);
  return bytes;
};

const serveOne = async (device: BlockDevice): Promise<Served & { uri: string }> => {
  const served = await serve(new Map([['disk', { device, description: 'a disk' }]]));
  return Object.assign(served, { uri: served.server.uri('disk') });
};

test('nbdinfo sees size, flags, block sizes and what is allocated', async () => {
  const served = await serveOne(await memory(patchwork()));
  const { exports } = JSON.parse(await succeed('nbdinfo', '--json', served.uri));
  expect(exports).toEqual([
    expect.objectContaining({
      'export-name': 'disk',
      description: 'a disk',
      'export-size': SIZE,
      contexts: ['base:allocation'],
      is_read_only: false,
      can_df: true,
      can_fast_zero: false,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      can_cache: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    }),
  ]);
  const map = JSON.parse(await succeed('nbdinfo', '--map', '--json', served.uri)) as { offset: number; length: number; type: number }[];
  const bytes = patchwork();
  expect(map.length).toBeGreaterThan(10);
  expect(map.at(-1)!.offset + map.at(-1)!.length).toBe(SIZE);
  for (const { offset, length, type } of map) {
    if (type === 3) expect(bytes.subarray(offset, offset + length).every((byte) => byte === 0)).toBe(true);
  }
  expect(JSON.parse(await succeed('nbdinfo', '--list', '--json', served.server.uri(''))).exports).toHaveLength(1);
});

test('nbdcopy takes a disk out and puts one in, over several connections', async () => {
  const content = patchwork();
  const served = await serveOne(await memory(content));
  const out = join(served.directory, 'out.img');
  await succeed('nbdcopy', served.uri, out);
  expect((await readFile(out)).equals(content)).toBe(true);
  const target = createMemoryDevice(SIZE);
  await target.write(0, randomBytes(SIZE));
  const second = await serveOne(target);
  await succeed('nbdcopy', '--flush', out, second.uri);
  expect((await contentOf(target)).equals(content)).toBe(true);
});

test('qemu-io: patterns, zeroes, discards, FUA, flush', async () => {
  const device = createMemoryDevice(SIZE);
  let flushes = 0;
  const counting = changed(device, {
    flush: async () => {
      flushes += 1;
    },
  });
  const served = await serveOne(counting);
  const commands = [
    'write -P 0x5a 1M 3M',
    'write -P 0xa5 1234k 1k',
    'read -P 0x5a 1M 200k',
    'read -P 0xa5 1234k 1k',
    'write -z 2M 1M',
    'read -P 0 2M 1M',
    'write -z -u 3M 100k',
    'read -P 0 3M 100k',
    'discard 1M 64k',
    'read -P 0 1M 64k',
    'write -f -P 7 10M 4k',
    'aio_write -P 1 20M 1M',
    'aio_write -P 2 21M 1M',
    'aio_write -P 3 22M 1M',
    'aio_flush',
    'read -P 2 21M 1M',
    'flush',
  ];
  const output = await succeed('qemu-io', '-f', 'raw', '-t', 'none', ...commands.flatMap((command) => ['-c', command]), served.uri);
  expect(output).not.toMatch(/fail|error|verification/i);
  expect(flushes).toBeGreaterThanOrEqual(2);
  const wrong = await run('qemu-io', '-f', 'raw', '-c', 'read -P 9 21M 1M', served.uri);
  expect(wrong.output).toMatch(/verification failed/);
});

test('qemu-img: convert both ways, compare, info; one wrong byte is found', async () => {
  const content = patchwork();
  const device = await memory(content);
  const served = await serveOne(device);
  const raw = join(served.directory, 'disk.raw');
  const qcow2 = join(served.directory, 'disk.qcow2');
  await writeFile(raw, content);
  expect(JSON.parse(await succeed('qemu-img', 'info', '--output=json', served.uri))['virtual-size']).toBe(SIZE);
  await succeed('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', served.uri, qcow2);
  await succeed('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', served.uri, qcow2);
  const target = createMemoryDevice(SIZE);
  const second = await serveOne(target);
  await succeed('qemu-img', 'convert', '-n', '-f', 'qcow2', '-O', 'raw', qcow2, second.uri);
  await succeed('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, second.uri);

  const AT = 15 * MIB + 6000;
  const corrupt = changed(device, {
    read: async (offset, bytes) => {
      await device.read(offset, bytes);
      if (offset <= AT && AT < offset + bytes.length) bytes[AT - offset]! ^= 1;
    },
  });
  const third = await serveOne(corrupt);
  const compared = await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, third.uri);
  expect(compared.status).toBe(1);
  expect(compared.output).toMatch(/Content mismatch/);
});

test('fio checks every block it wrote through an overlay, which stays and leaves its base alone', async () => {
  const content = patchwork();
  const served = await serve(new Map());
  await writeFile(join(served.directory, 'base.img'), content);
  const base = await openFileDevice(join(served.directory, 'base.img'), { readOnly: true });
  const path = join(served.directory, 'overlay');
  const overlay = await createOverlay(base, { identity: 'base', path });
  const { uri } = await serveOne(overlay);
  const load = [
    '--name=load',
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--rw=randrw',
    '--bsrange=512-64k',
    '--iodepth=16',
    '--size=64m',
    '--io_size=96m',
  ];
  const checks = ['--verify=crc32c', '--verify_fatal=1', '--verify_backlog=256', '--fsync=64', '--output-format=json'];
  const output = await succeed('fio', ...load, ...checks);
  const [job] = JSON.parse(output.slice(output.indexOf('{\n'))).jobs;
  expect(job.error).toBe(0);
  expect(job.write.io_bytes).toBeGreaterThan(20 * MIB);
  const written = await contentOf(overlay);
  expect(written.equals(content)).toBe(false);
  expect((await readFile(join(served.directory, 'base.img'))).equals(content)).toBe(true);
  await overlay.close();
  const again = await createOverlay(base, { identity: 'base', path });
  expect((await contentOf(again)).equals(written)).toBe(true);
  await again.close();
  await base.close();
});

test('two clients at once, each sees its own writes and after the end both are there', async () => {
  const device = createMemoryDevice(SIZE);
  const served = await serveOne(device);
  const job = (offset: number): Promise<string> => {
    const place = ['--rw=randwrite', '--bs=4k', '--iodepth=8', `--offset=${offset}m`, '--size=16m'];
    return succeed('fio', '--name=half', '--ioengine=nbd', `--uri=${served.uri}`, ...place, '--verify=crc32c', '--verify_fatal=1');
  };
  const results = await Promise.all([job(0), job(32)]);
  for (const output of results) expect(output).toMatch(/err= 0/);
  for (const offset of [0, 32]) {
    const part = Buffer.alloc(16 * MIB);
    await device.read(offset * MIB, part);
    for (let at = 0; at < part.length; at += 4096) expect(part.subarray(at, at + 4096).some((byte) => byte !== 0)).toBe(true);
  }
});

test('a file system lives on it: nbdfuse, loop, mkfs, mount, files, trim, fsck', async () => {
  const served = await serve(new Map());
  const device = await createFileDevice(join(served.directory, 'disk.img'), SIZE);
  const { uri } = await serveOne(device);
  const [fuse, mount] = [join(served.directory, 'fuse'), join(served.directory, 'mnt')];
  await Promise.all([mkdir(fuse), mkdir(mount)]);
  const bridge = spawn('nbdfuse', [fuse, uri], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = collect(bridge);
  const undo: (() => Promise<unknown>)[] = [() => run('umount', fuse)];
  try {
    const file = join(fuse, 'nbd');
    let ready = false;
    const ask = async (): Promise<void> => {
      while (!ready && bridge.exitCode === null) ready = (await run('test', '-e', file)).status === 0;
    };
    await ask();
    if (!ready) throw new Error(`nbdfuse ended: ${said()}`);
    const loop = (await succeed('losetup', '--find', '--show', file)).trim();
    undo.unshift(() => run('losetup', '-d', loop));
    await succeed('mkfs.ext4', '-q', loop);
    await succeed('mount', loop, mount);
    undo.unshift(() => run('umount', mount));
    const content = randomBytes(20 * MIB);
    await writeFile(join(mount, 'file'), content);
    await succeed('cp', join(mount, 'file'), join(mount, 'copy'));
    await succeed('sync', '-f', mount);
    await succeed('rm', join(mount, 'copy'));
    expect(await succeed('fstrim', '-v', mount)).toMatch(/trimmed/);
    await succeed('umount', mount);
    await succeed('e2fsck', '-fn', loop);
    await succeed('mount', loop, mount);
    expect((await readFile(join(mount, 'file'))).equals(content)).toBe(true);
  } finally {
    for (const step of undo) await step();
    await end(bridge);
    await device.close();
  }
});

test('QEMU goes on when the server was away for a moment', async () => {
  const device = createMemoryDevice(SIZE);
  const served = await serve(new Map());
  const path = join(served.directory, 'disk.sock');
  const start = () => createNbdServer({ exports: new Map([['', { device }]]), listen: { path }, limits: { closeMilliseconds: 100 } });
  const first = await start();
  const image = `driver=nbd,server.type=unix,server.path=${path},reconnect-delay=60`;
  const qemu = spawn('qemu-io', ['--image-opts', image], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = collect(qemu);
  let prompts = 0;
  /** One command at a time: it looks for the next one only when more input comes. */
  const ask = async (command: string): Promise<string> => {
    const from = said().length;
    prompts += 1;
    qemu.stdin.write(`${command}\n`);
    await until(() => said().split('qemu-io> ').length > prompts + 1);
    return said().slice(from);
  };
  try {
    expect(await ask('write -P 0x11 1M 1M')).toMatch(/wrote 1048576/);
    await first.close();
    const writing = ask('write -P 0x22 2M 1M');
    const second = await start();
    expect(await writing).toMatch(/wrote 1048576/);
    expect(await ask('read -P 0x11 1M 1M')).toMatch(/^read 1048576/);
    expect(await ask('read -P 0x22 2M 1M')).toMatch(/^read 1048576/);
    expect(await ask('flush')).not.toMatch(/fail/);
    await second.close();
  } finally {
    await end(qemu, 'SIGKILL');
  }
});
