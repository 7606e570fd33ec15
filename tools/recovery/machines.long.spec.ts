import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createQemuFabric, type DiskController, type MachineFirmware, recoverMachine } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, type Vault, writeKeyFile } from '@holdfast/vault';
import { createMiniImage, MINI_MARKER, MINI_TOOLS } from '../mini-image/index.ts';
import { openSession } from './console-session.ts';
import { addMachineOfImages } from './vault-of-images.ts';

const PATIENCE = 300_000;
const run = promisify(execFile);

describe.unless(lacks('qemu-system-x86_64', 'qemu-img', '/usr/share/OVMF', ...MINI_TOOLS), 'recovered machines', () => {
  let directory: string;
  let vault: Vault;
  let fabric: ReturnType<typeof createQemuFabric>;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-machines-'));
    const store = await openStore(`file:${path.join(directory, 'vault')}`);
    vault = await createVault(store, { name: 'machines', keys: [await writeKeyFile(path.join(directory, 'key'))] });
    fabric = createQemuFabric({ directory: path.join(directory, 'm') });
  });
  afterAll(async () => {
    for (const { operationId } of await fabric.list()) await fabric.remove(operationId);
    await vault.close();
    await rm(directory, { recursive: true, force: true });
  });

  const begin = (machineId: string, pointId: string, controller?: DiskController, start = true) =>
    recoverMachine({
      vault,
      machineId,
      pointId,
      fabric,
      operationId: randomBytes(16).toString('hex'),
      directory: path.join(directory, 'r'),
      network: { kind: 'isolated' },
      start,
      ...(controller !== undefined && { hardware: { controller } }),
    });

  const startOn = async (image: string, firmware: MachineFirmware, controller: DiskController): Promise<string> => {
    const { machineId, pointId } = await addMachineOfImages(vault, {
      name: `${firmware}-${controller}`,
      firmware,
      disks: [{ name: 'sda', path: image }],
    });
    const machine = await begin(machineId, pointId, controller);
    try {
      const session = openSession(await (await machine.console()).open());
      return (await session.expect(MINI_MARKER, PATIENCE))[0];
    } finally {
      await machine.discard();
    }
  };

  it.each<[MachineFirmware, DiskController, string]>([
    ['uefi', 'virtio', 'vda2'],
    ['bios', 'sata', 'sda2'],
    ['bios', 'scsi', 'sda2'],
    ['bios', 'pvscsi', 'sda2'],
    ['uefi', 'nvme', 'nvme0n1p2'],
  ])(
    'start by %s from %s',
    async (firmware, controller, disk) => {
      const { path: image } = await createMiniImage({ kernel: 'amd64' });
      expect(await startOn(image, firmware, controller)).toContain(`payload=good firmware=${firmware} disk=${disk}`);
    },
    PATIENCE,
  );

  it(
    'would say that what they started from is not what was saved',
    async () => {
      const { path: image } = await createMiniImage();
      const damaged = path.join(directory, 'damaged.raw');
      await copyFile(image, damaged);
      const bytes = Buffer.alloc(64 * 2 ** 20);
      await using file = await open(damaged, 'r+');
      await file.read(bytes, 0, bytes.length, 0);
      // The payload is the only thing of its size that no other file holds: its 5 MiB begin where the root's last large run of data does.
      const { stdout } = await run('debugfs', ['-R', 'bmap /payload 600', `${damaged}?offset=${41 * 2 ** 20}`]);
      const block = Number(stdout.trim());
      expect(block).toBeGreaterThan(0);
      const at = 41 * 2 ** 20 + block * 1024;
      await file.write(Buffer.from([bytes[at]! ^ 1]), 0, 1, at);
      await file.sync();
      expect(await startOn(damaged, 'bios', 'virtio')).toContain('payload=BAD');
    },
    PATIENCE,
  );

  it(
    'are hydrated to the last byte, through the death of QEMU in the middle',
    async () => {
      const image = path.join(directory, 'data.raw');
      await writeFile(image, randomBytes(384 * 2 ** 20));
      const { machineId, pointId } = await addMachineOfImages(vault, { name: 'data', disks: [{ name: 'sda', path: image }] });
      const machine = await begin(machineId, pointId, undefined, false);
      let deaths = 0;
      for (const share of [0.2, 0.5, 0.8]) {
        const stop = new AbortController();
        const hydrating = machine.hydrate({
          signal: stop.signal,
          onProgress: (done, total) => {
            if (done / total < share || deaths >= 3) return;
            void fabric.status(machine.operationId).then((status) => {
              if (status?.pid !== undefined) process.kill(status.pid, 'SIGKILL');
            });
          },
        });
        await hydrating.then(
          () => undefined,
          () => (deaths += 1),
        );
      }
      expect(deaths).toBeGreaterThan(0);
      await machine.hydrate();
      const { machine: status, held } = await machine.status();
      expect([held, status.state, status.disks.map(({ hydrated }) => hydrated)]).toEqual([false, 'off', [true]]);
      const overlay = path.join(directory, 'm', machine.operationId, 'disk0.qcow2');
      await run('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', image, overlay]);
      await run('qemu-img', ['check', overlay]);
      // The oracle can fail.
      await writeFile(image, randomBytes(512), { flag: 'r+' });
      await expect(run('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', image, overlay])).rejects.toMatchObject({ code: 1 });
      await machine.discard();
    },
    PATIENCE,
  );
});
