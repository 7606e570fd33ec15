import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlockDevice, createMemoryDevice } from '@holdfast/block';
import { createNbdServer, type NbdServer } from '@holdfast/nbd';
import { madeSuperblock } from '../testing/superblock.ts';
import { openArrays } from './arrays.ts';
import { connectDisk } from './connect-disk.ts';
import type { Volume } from './volumes.ts';

const SIZE = 4 * 2 ** 20;
const DATA = 2 ** 20;

describe('the arrays of a machine', () => {
  let directory: string;
  let server: NbdServer;

  const disk = async (array: number, device: number, fill: number): Promise<BlockDevice> => {
    const bytes = createMemoryDevice(SIZE);
    await bytes.write(4096, madeSuperblock({ array, device }));
    await bytes.write(DATA, Buffer.alloc(512, fill));
    return bytes;
  };
  const member = (id: string): Volume => ({ diskId: id, name: id, offset: 0, size: SIZE, type: 'linux_raid_member' }) as Volume;
  const served = (id: string) => ({ id, name: id, uri: server.uri(id) });
  const gone = (id: string) => ({ id, name: id, uri: `nbd+unix:///${id}?socket=${directory}/gone.sock` });

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hfmd-'));
    const devices = {
      whole1: await disk(0xab, 0, 7),
      whole2: await disk(0xab, 1, 7),
      half: await disk(0xcd, 0, 9),
      torn: createMemoryDevice(SIZE),
    };
    const exports = new Map(Object.entries(devices).map(([name, device]) => [name, { device, description: name }]));
    server = await createNbdServer({ exports, listen: { path: path.join(directory, 'disks.sock') } });
  });
  afterEach(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const open = async (...disks: readonly ReturnType<typeof served>[]) => {
    const arrays = await openArrays(
      disks,
      disks.map(({ id }) => member(id)),
      directory,
    );
    try {
      const firsts: number[] = [];
      for (const one of arrays.disks) {
        const device = await connectDisk(one);
        const first = Buffer.alloc(1);
        await device.read(0, first).finally(() => device.close());
        firsts.push(first[0]!);
      }
      return { firsts, notes: arrays.notes };
    } finally {
      await arrays.close();
    }
  };

  it('are opened, one of which a member does not come back too', async () => {
    expect(await open(served('whole1'), served('whole2'), served('half'))).toEqual({ firsts: [7, 9], notes: [] });
  });

  it.each(['gone', 'torn'] as const)('are opened beside a member that is %s, but for one that it may belong to', async (how) => {
    const { firsts, notes } = await open(
      served('whole1'),
      how === 'gone' ? gone('lost') : served('torn'),
      served('half'),
      served('whole2'),
    );
    expect(firsts).toEqual([7]);
    expect(notes).toEqual([
      expect.stringMatching(how === 'gone' ? /^lost \(RAID\) could not be read/ : /^torn \(RAID\) has no superblock/),
      expect.stringContaining('not all of its members could be read'),
    ]);
  });
});
