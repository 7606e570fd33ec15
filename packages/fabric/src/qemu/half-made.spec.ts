import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createQemuFabric } from './qemu-fabric.ts';

const [HALF, DAMAGED, WHOLE] = ['ab'.repeat(16), 'cd'.repeat(16), 'ef'.repeat(16)];

describe('a machine that was being made when everything ended', () => {
  let directory: string;
  const open = () => createQemuFabric({ directory, acceleration: 'tcg' });
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hf-half-'));
    for (const id of [HALF, DAMAGED]) await mkdir(path.join(directory, id));
    await writeFile(path.join(directory, HALF, 'disk0.qcow2.new'), 'an overlay, half-written');
    await writeFile(path.join(directory, HALF, 'machine.json.x.new'), '{"operat');
    await writeFile(path.join(directory, DAMAGED, 'machine.json'), '{"operat');
    await mkdir(path.join(directory, 'lost+found'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const disk = { id: 'disk', size: 512, controller: 'virtio', source: { kind: 'file', path: '/none', format: 'raw' } } as const;
  const shape = { cpus: 1, memoryBytes: 64 * 2 ** 20, firmware: 'bios', disks: [disk], networks: [] } as const;

  it('is found, is off, can be completed by the same operation, and removed', async () => {
    const fabric = open();
    await fabric.remove(DAMAGED);
    expect(await fabric.list()).toEqual([{ operationId: HALF, name: '', state: 'off', disks: [] }]);
    await expect(fabric.start(HALF)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
    await fabric.create({ operationId: WHOLE, name: 'db2', shape });
    await fabric.create({ operationId: HALF, name: 'db1', shape });
    expect((await open().list()).map(({ name, state }) => [name, state])).toEqual([
      ['db1', 'off'],
      ['db2', 'off'],
    ]);
    for (const id of [HALF, WHOLE]) await open().remove(id);
    expect(await readdir(directory)).toEqual(['lost+found']);
  });

  it('is told by name where its note is damaged, and hides no other', async () => {
    expect((await open().list()).map(({ operationId }) => operationId)).toEqual([HALF, DAMAGED]);
    await expect(open().status(DAMAGED)).rejects.toMatchObject({ code: 'DAMAGED', thing: path.join(directory, DAMAGED, 'machine.json') });
  });
});
