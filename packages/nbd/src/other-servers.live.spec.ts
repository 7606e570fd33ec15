import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import { testBlockDevice } from '@holdfast/block/conformance';
import { isHoldfastError } from '@holdfast/errors';
import { createNbdClient, type NbdClientOptions } from './client.ts';
import { collect, end } from './testing/run.ts';

// Our client with servers that are not ours.

let directory: string;
let children: ChildProcess[];
let count = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) await end(child);
  await rm(directory, { recursive: true });
});

/** Connects as soon as the server listens. */
const connect = async (path: string, child: ChildProcess, options: Partial<NbdClientOptions> = {}): Promise<BlockDevice> => {
  const said = collect(child);
  for (;;) {
    try {
      return await createNbdClient({ address: { path }, ...options });
    } catch (reason) {
      if (!isHoldfastError(reason, 'CONNECTION_LOST') || child.exitCode !== null)
        throw new Error(`no server: ${said()}`, { cause: reason });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
};

const start = (program: string, ...parameters: string[]): ChildProcess => {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
};

const withNbdkit = async (content: Uint8Array, ...more: string[]): Promise<BlockDevice> => {
  count += 1;
  const [image, socket] = [join(directory, `${count}.img`), join(directory, `${count}.sock`)];
  await writeFile(image, content);
  // It ends with its only client.
  const child = start('nbdkit', '--exit-with-parent', '-f', '-U', socket, ...more, '--filter=exitlast', 'file', image);
  return connect(socket, child);
};

testBlockDevice(
  'an export of nbdkit',
  (content) => withNbdkit(content),
  (content) => withNbdkit(content, '-r'),
);

test('an export of qemu-nbd', async () => {
  const size = 20_000_000;
  const [image, socket] = [join(directory, 'disk.img'), join(directory, 'disk.sock')];
  await writeFile(image, '');
  await truncate(image, size);
  const child = start('qemu-nbd', '-f', 'raw', '-t', '-k', socket, '-x', 'disk', '--discard=unmap', image);
  const client = await connect(socket, child, { export: 'disk' });
  expect(client.size).toBe(size + ((512 - (size % 512)) % 512));
  const data = randomBytes(5_000_000);
  await client.write(1_234_567, data);
  await client.zero(2_000_000, 1_000_000);
  data.fill(0, 765_433, 1_765_433);
  await client.flush();
  const back = Buffer.alloc(data.length);
  await client.read(1_234_567, back);
  expect(back.equals(data)).toBe(true);
  const extents = await client.allocated(0, client.size);
  expect(extents[0]!.offset).toBeGreaterThan(1_000_000);
  await client.close();
});

test('a server without structured replies', async () => {
  const [image, socket] = [join(directory, 'disk.img'), join(directory, 'disk.sock')];
  await writeFile(image, Buffer.alloc(1_000_000, 1));
  const client = await connect(socket, start('nbdkit', '-f', '-U', socket, '--no-sr', 'file', image));
  await client.write(5, Buffer.from('simple'));
  const back = Buffer.alloc(8);
  await client.read(4, back);
  expect(back.toString('latin1')).toBe('\x01simple\x01');
  expect(await client.allocated(0, 100)).toEqual([{ offset: 0, length: 100 }]);
  await client.close();
});

test('errors of the other server come through', async () => {
  const [image, socket] = [join(directory, 'disk.img'), join(directory, 'disk.sock')];
  await writeFile(image, Buffer.alloc(1_000_000));
  const child = start('nbdkit', '-f', '-U', socket, '--filter=error', 'file', image, 'error-pwrite=ENOSPC', 'error-pwrite-rate=1');
  const client = await connect(socket, child);
  await expect(client.write(0, Buffer.alloc(10))).rejects.toMatchObject({ code: 'NO_SPACE' });
  await client.read(0, Buffer.alloc(10));
  await client.close();
});
