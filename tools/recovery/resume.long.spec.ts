// Several who let a paused machine go on at the same moment: whoever watches it, whoever has copied it, whoever was asked to. Sent by each of them, QEMU's own
// `cont` left the machine running and waiting for ever for a read that nobody repeated: once in five rounds of these.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlockDevice, openFileDevice } from '@holdfast/block';
import { createQemuFabric, type Fabric } from '@holdfast/fabric';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { until } from '../lab/host/until.ts';
import { createMiniImage, MINI_MARKER, MINI_PASSWORD, MINI_TOOLS } from '../mini-image/index.ts';
import { openSession } from './console-session.ts';

const PATIENCE = 120_000;
const ID = 'ab'.repeat(16);
const ROUNDS = 10;
const ATTEMPTS = 60;

describe.unless(lacks('qemu-system-x86_64', 'qemu-img', ...MINI_TOOLS), 'a machine whose reads fail', () => {
  let directory: string;
  let image: BlockDevice;
  let server: NbdServer;
  let fabric: Fabric;
  let failing = false;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-cont-'));
    image = await openFileDevice((await createMiniImage()).path, { readOnly: true });
    const device: BlockDevice = {
      ...{ size: image.size, readOnly: true },
      read: async (offset, target) => {
        if (failing) throw new Error('the store is away');
        await image.read(offset, target);
      },
      write: (offset, data) => image.write(offset, data),
      zero: (offset, length) => image.zero(offset, length),
      flush: () => image.flush(),
      allocated: (offset, length) => image.allocated(offset, length),
      close: async () => {},
    };
    const socket = path.join(directory, 'n');
    const exports = new Map([['e', { device, description: '', readOnly: true, describesAllocation: false }]]);
    server = await createNbdServer({ exports, listen: { path: socket }, onError: () => {} });
    fabric = createQemuFabric({ directory: path.join(directory, 'm'), acceleration: 'tcg' });
    const disk = { id: 'd', size: image.size, controller: 'virtio', source: { kind: 'nbd', socket, export: 'e' } } as const;
    const shape = { cpus: 1, memoryBytes: 256 * 2 ** 20, firmware: 'bios', disks: [disk], networks: [] } as const;
    await fabric.create({ operationId: ID, name: 'mini', shape });
    await fabric.start(ID);
  });
  afterAll(async () => {
    await fabric?.remove(ID);
    await server?.close();
    await image?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('goes on when they end, however many let it', async () => {
    const console = openSession(await (await fabric.console(ID)).open());
    await console.expect(MINI_MARKER, PATIENCE);
    await console.logIn(MINI_PASSWORD, PATIENCE);
    const isPaused = async (): Promise<boolean> => (await fabric.status(ID))?.pause === 'io';
    for (let round = 0; round < ROUNDS; round += 1) {
      failing = true;
      const reading = console.run('echo 3 >/proc/sys/vm/drop_caches; sha256sum -c /payload.sha256', PATIENCE);
      reading.catch(() => {});
      await until('paused', isPaused, { seconds: PATIENCE / 1000 });
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1)
        await Promise.all([fabric.resume(ID), fabric.resume(ID), fabric.resume(ID), fabric.resume(ID), fabric.resume(ID)]);
      failing = false;
      const goesOn = async (): Promise<boolean> => {
        if (!(await isPaused())) return true;
        await fabric.resume(ID);
        return false;
      };
      await until('it runs', goesOn, { seconds: PATIENCE / 1000 });
      expect(await reading).toEqual({ status: 0, output: 'payload: OK\n' });
    }
  });
});
