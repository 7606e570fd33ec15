// What was copied has to be there when QEMU, or the host, ends the moment the copy is complete.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createMemoryDevice } from '@holdfast/block';
import { createNbdServer } from '@holdfast/nbd';
import type { Fabric } from '../fabric.ts';
import { createQemuFabric } from './qemu-fabric.ts';

const SIZE = 8 * 2 ** 20;
const ID = 'ab'.repeat(16);

describe.unless(lacks('qemu-system-x86_64', 'qemu-img'), 'a machine whose disks are copied', () => {
  let directory: string;
  let fabric: Fabric;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-hydrate-'));
    fabric = createQemuFabric({ directory, acceleration: 'tcg' });
  });
  afterEach(async () => {
    await fabric.remove(ID);
    await rm(directory, { recursive: true });
  });

  it('has them after a power cut, with its source gone', async () => {
    const data = randomBytes(SIZE);
    const device = createMemoryDevice(SIZE);
    await device.write(0, data);
    const socket = path.join(directory, 'nbd.sock');
    const exports = new Map([['e', { device, description: '', readOnly: true, describesAllocation: false }]]);
    const server = await createNbdServer({ exports, listen: { path: socket } });
    try {
      const disk = { id: 'disk', size: SIZE, controller: 'virtio', source: { kind: 'nbd', socket, export: 'e' } } as const;
      await fabric.create({
        operationId: ID,
        name: 'db1',
        shape: { cpus: 1, memoryBytes: 64 * 2 ** 20, firmware: 'bios', disks: [disk], networks: [] },
      });
      await fabric.start(ID);
      await fabric.hydrate(ID);
      expect(await fabric.stop(ID, { how: 'power cut' })).toBe('power cut');
    } finally {
      await server.close();
    }
    const [overlay, copy] = [path.join(directory, ID, 'disk0.qcow2'), path.join(directory, 'copy.raw')];
    await promisify(execFile)('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', overlay, copy]);
    expect((await readFile(copy)).equals(data)).toBe(true);
  });
});
