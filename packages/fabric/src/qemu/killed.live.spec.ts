// What ends a machine: its own system, somebody here, or this host.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Fabric, MachineStatus } from '../fabric.ts';
import { withQmp } from './connect-qmp.ts';
import { createQemuFabric } from './qemu-fabric.ts';

const ID = 'cd'.repeat(16);

describe.unless(lacks('qemu-system-x86_64', 'qemu-img'), 'a machine that is off', () => {
  let directory: string;
  let fabric: Fabric;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-killed-'));
    fabric = createQemuFabric({ directory, acceleration: 'tcg' });
    const file = path.join(directory, 'disk.raw');
    await writeFile(file, Buffer.alloc(2 ** 20));
    const disk = { id: 'disk', size: 2 ** 20, controller: 'virtio', source: { kind: 'file', path: file, format: 'raw' } } as const;
    const shape = { cpus: 1, memoryBytes: 64 * 2 ** 20, firmware: 'bios', disks: [disk], networks: [] } as const;
    await fabric.create({ operationId: ID, name: 'db1', shape });
    await fabric.start(ID);
  });
  afterEach(async () => {
    await fabric.remove(ID);
    await rm(directory, { recursive: true });
  });

  const untilOff = async (): Promise<MachineStatus> => {
    for (const end = performance.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const status = await fabric.status(ID);
      if (status?.state === 'off' || performance.now() > end) return status!;
    }
  };

  it('says that this host ended it, and not so of one that was switched off here or went off by itself', async () => {
    process.kill((await fabric.status(ID))!.pid!, 'SIGKILL');
    expect(await untilOff()).toMatchObject({ state: 'off', killed: true });

    await fabric.start(ID);
    expect((await fabric.status(ID))!.killed).toBeUndefined();
    await fabric.stop(ID, { how: 'power cut' });
    expect((await untilOff()).killed).toBeUndefined();

    await fabric.start(ID);
    await withQmp(path.join(directory, ID, 'qmp.sock'), (qmp) => qmp.execute('quit'));
    expect(await untilOff()).toMatchObject({ state: 'off' });
    expect((await untilOff()).killed).toBeUndefined();
  });
});
