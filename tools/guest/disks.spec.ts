import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { prepareDisks } from './disks.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'disks-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('makes empty disks and takes what is there', async () => {
  const image = path.join(directory, 'mine.raw');
  await writeFile(image, Buffer.alloc(1024));
  const disks = await prepareDisks(
    [
      { bus: 'virtio', sizeBytes: 1 << 30 },
      { bus: 'nvme', path: image, serial: 'mine' },
    ],
    directory,
  );
  expect(disks).toEqual([
    { bus: 'virtio', serial: 'disk0', path: path.join(directory, 'disk0.raw'), device: '/dev/disk/by-serial/disk0', driver: 'file' },
    { bus: 'nvme', serial: 'mine', path: image, device: '/dev/disk/by-serial/mine', driver: 'file' },
  ]);
  expect(await stat(disks[0]!.path)).toMatchObject({ size: 1 << 30, blocks: 0 });
});

it.each([
  [[{ bus: 'virtio', sizeBytes: 1000 }], 'SETTING_INVALID'],
  [[{ bus: 'virtio', sizeBytes: 0 }], 'SETTING_INVALID'],
  [[{ bus: 'virtio', sizeBytes: 512, serial: 'a,b' }], 'SETTING_INVALID'],
  [[{ bus: 'virtio', sizeBytes: 512, serial: 'x'.repeat(21) }], 'SETTING_INVALID'],
  [[{ bus: 'virtio', path: '/nonexistent/disk.raw' }], 'OBJECT_NOT_FOUND'],
  [[{ bus: 'virtio', path: '/' }], 'SETTING_INVALID'],
] as const)('refuses %j', async (disks, code) => {
  await expect(prepareDisks(disks, directory)).rejects.toMatchObject({ code });
});

it('refuses two disks of one serial', async () => {
  const twice = [
    { bus: 'virtio', sizeBytes: 512, serial: 'same' },
    { bus: 'scsi', sizeBytes: 512, serial: 'same' },
  ] as const;
  await expect(prepareDisks(twice, directory)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
});
