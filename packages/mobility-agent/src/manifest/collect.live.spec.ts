import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { idText } from '@holdfast/protocol';
import { collectManifest } from './collect.ts';
import { manifestIdentity } from './identity.ts';

const MIB = 1024 * 1024;
const run = (tool: string, ...args: string[]): string => execFileSync(tool, args, { encoding: 'utf8' }).trim();

/** Writes a partition table of the old kind: type 0x83 from 1 MiB on, 0x8e from 17 MiB on. */
const partition = (image: string): void => {
  const sector = Buffer.alloc(512);
  sector.writeUInt32LE(0x1badb002, 440);
  for (const [index, { type, start, size }] of [
    { type: 0x83, start: 2048, size: 32768 },
    { type: 0x8e, start: 34816, size: 8192 },
  ].entries()) {
    const at = 446 + index * 16;
    sector.writeUInt8(type, at + 4);
    sector.writeUInt32LE(start, at + 8);
    sector.writeUInt32LE(size, at + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  const fd = fs.openSync(image, 'w');
  fs.ftruncateSync(fd, 32 * MIB);
  fs.writeSync(fd, sector, 0, 512, 0);
  fs.closeSync(fd);
};

describe('the manifest of this machine', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'manifest-'));
  const mountPoint = path.join(directory, 'mnt');
  const undo: (() => unknown)[] = [() => fs.rmSync(directory, { recursive: true })];
  let loop = '';

  beforeAll(() => {
    const image = path.join(directory, 'disk.img');
    partition(image);
    loop = run('losetup', '--find', '--show', image);
    undo.push(() => run('losetup', '--detach', loop));
    // The kernel need not know this kind of table.
    run('partx', '--update', loop);
    undo.push(() => run('partx', '--delete', loop));
    run('mkfs.ext4', '-q', '-U', '01234567-89ab-cdef-0123-456789abcdef', `${loop}p1`);
    fs.mkdirSync(mountPoint);
    run('mount', `${loop}p1`, mountPoint);
    undo.push(() => run('umount', mountPoint));
  });

  afterAll(() => {
    for (const step of undo.reverse()) step();
  });

  it('tells the partitions of a disk and what is in them, and stays the same', async () => {
    const options = { machineId: 'ab'.repeat(16), disks: [{ id: 'cd'.repeat(16), path: loop }] };
    const manifest = await collectManifest(options);
    expect(manifest.disks).toMatchObject([
      {
        name: path.basename(loop),
        size: BigInt(32 * MIB),
        logicalSectorSize: 512,
        boot: false,
        partitionTable: 'dos',
        partitions: [
          {
            number: 1,
            offset: BigInt(MIB),
            length: BigInt(16 * MIB),
            type: '0x83',
            uuid: '1badb002-01',
            content: 'ext4',
            contentUuid: '01234567-89ab-cdef-0123-456789abcdef',
            mountPoints: [mountPoint],
          },
          { number: 2, offset: BigInt(17 * MIB), length: BigInt(4 * MIB), type: '0x8e', uuid: '1badb002-02', content: '', mountPoints: [] },
        ],
      },
    ]);
    expect(manifest.machineName).toBe(os.hostname());
    expect(manifest.operatingSystem).toMatchObject({ family: 'linux', kernel: os.release(), architecture: os.machine() });
    fs.writeFileSync(path.join(mountPoint, 'churn'), Buffer.alloc(MIB));
    const last = { id: idText(manifest.id), identity: manifestIdentity(manifest) };
    expect(await collectManifest({ ...options, last })).toEqual(manifest);
  });
});
