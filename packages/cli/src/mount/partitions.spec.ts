import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findFile } from '../files/find-file.ts';
import { parsePartitions } from './partitions.ts';

describe('partitions of a disk', () => {
  it('are named as the kernel names them, and lie where the table says', () => {
    const table = {
      partitiontable: {
        sectorsize: 512,
        partitions: [
          { node: '/scratch/disk1', start: 2048, size: 100, type: '83' },
          { node: '/scratch/disk2', start: 4096, size: 2000, type: '5' },
          { node: '/scratch/disk5', start: 4098, size: 100, type: '83' },
        ],
      },
    };
    expect(parsePartitions('sda', JSON.stringify(table))).toEqual([
      { name: 'sda1', offset: 1_048_576, size: 51_200 },
      { name: 'sda5', offset: 2_098_176, size: 51_200 },
    ]);
    expect(parsePartitions('nvme0n1', JSON.stringify(table)).map(({ name }) => name)).toEqual(['nvme0n1p1', 'nvme0n1p5']);
    expect(parsePartitions('sda', '{"partitiontable": {"sectorsize": 4096}}')).toEqual([]);
  });
});

describe('a file of a point', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-files-'));
    await mkdir(path.join(directory, 'sda1/etc'), { recursive: true });
    await writeFile(path.join(directory, 'sda1/etc/hosts'), 'x');
    await symlink('/etc', path.join(directory, 'sda1/absolute'));
    await symlink('../..', path.join(directory, 'sda1/etc/up'));
    await symlink('etc', path.join(directory, 'sda1/within'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const find = (word: string): Promise<string> =>
    findFile(
      [
        { name: 'sda1', disk: 'sda', type: 'ext4', path: path.join(directory, 'sda1') },
        { name: 'sda2', disk: 'sda', type: 'swap', why: 'it is none' },
      ],
      word,
    );

  it('is found, through links that stay inside', async () => {
    expect(await find('sda1')).toBe(path.join(directory, 'sda1'));
    expect(await find('sda1/etc/hosts')).toBe(path.join(directory, 'sda1/etc/hosts'));
    expect(await find('/sda1//within/hosts')).toBe(path.join(directory, 'sda1/etc/hosts'));
    // The last part is the link itself, wherever it leads.
    expect(await find('sda1/absolute')).toBe(path.join(directory, 'sda1/absolute'));
  });

  it('is refused where it is none, or leads out', async () => {
    for (const word of ['sda1/absolute/passwd', 'sda1/etc/up/x', 'sda1/../sda1/etc', 'sda1/etc/..'])
      await expect(find(word)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    for (const word of ['sda2/etc', 'sda9', '', 'sda1/none/x'])
      await expect(find(word)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});
