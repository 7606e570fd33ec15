import { mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BlockDevice, createMemoryDevice, holdExclusively } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { exportImage } from './export-image.ts';

const MIB = 1024 * 1024;

describe('an exported image', () => {
  let directory: string;
  const options = {
    format: 'raw',
    label: { id: Buffer.alloc(16), made: 0 },
    force: false,
    skipUnreadable: false,
    signal: new AbortController().signal,
  } as const;
  const at = (name: string): string => path.join(directory, name);

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-export-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('holds every byte, whatever is written where', async () => {
    const size = 9 * MIB + 1536;
    const writes = fc.array(fc.record({ offset: fc.nat(size - 1), length: fc.integer({ min: 1, max: 300_000 }), fill: fc.nat(255) }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(writes, async (all) => {
        const expected = Buffer.alloc(size);
        for (const { offset, length, fill } of all) expected.fill(fill, offset, Math.min(size, offset + length));
        const device = createMemoryDevice(size);
        await device.write(0, expected);
        const { written } = await exportImage(device, at('x.raw'), { ...options, force: true });
        const same = (await readFile(at('x.raw'))).equals(expected);
        expect({ same, bounded: written <= size }).toEqual({ same: true, bounded: true });
      }),
      { numRuns: 15 },
    );
  });

  it('does not appear when the disk fails in the middle', async () => {
    const device = createMemoryDevice(20 * MIB);
    await device.write(0, Buffer.alloc(20 * MIB, 1));
    const failing: BlockDevice = Object.assign(Object.create(device) as BlockDevice, {
      size: device.size,
      allocated: async (offset: number, length: number) => [{ offset, length }],
      read: async (offset: number) => {
        if (offset >= 12 * MIB) throw new Error('gone');
      },
    });
    await expect(exportImage(failing, at('x.raw'), options)).rejects.toMatchObject({ code: 'IO_FAILED', thing: at('x.raw'), why: 'gone' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('takes away what exports left that were killed, and nothing that somebody writes or that is called otherwise', async () => {
    const [left, held, young, ...others] = ['00000001', '00000002', '00000003', 'report', 'abcdefghi'].map(
      (id) => `x.raw.${id}.unfinished`,
    );
    const old = new Date(Date.now() - 3_600_000);
    for (const name of [left!, held!, young!, ...others, 'y.raw.00000001.unfinished']) {
      await writeFile(at(name), 'half');
      if (name !== young) await utimes(at(name), old, old);
    }
    const release = await holdExclusively(at(held!));
    try {
      await exportImage(createMemoryDevice(MIB), at('x.raw'), options);
    } finally {
      await release();
    }
    expect((await readdir(directory)).sort()).toEqual([held!, young!, ...others, 'x.raw', 'y.raw.00000001.unfinished'].sort());
    await exportImage(createMemoryDevice(MIB), at('x.raw'), { ...options, force: true });
    expect(await readdir(directory)).not.toContain(held);
  });

  it('does not appear when it is interrupted in the middle', async () => {
    const stopping = new AbortController();
    const seen: number[] = [];
    const onProgress = (done: number): void => {
      seen.push(done);
      stopping.abort(new HoldfastError('INTERRUPTED', { thing: 'x', why: 'y', remedy: 'z' }));
    };
    const exported = exportImage(createMemoryDevice(20 * MIB), at('x.raw'), { ...options, signal: stopping.signal, onProgress });
    await expect(exported).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(seen).toEqual([4 * MIB]);
    expect(await readdir(directory)).toEqual([]);
  });

  it('follows no link and replaces no directory', async () => {
    await writeFile(at('precious'), 'precious');
    await symlink(at('precious'), at('link'));
    for (const target of [at('link'), directory, '/dev/null'])
      await expect(exportImage(createMemoryDevice(4096), target, { ...options, force: true })).rejects.toMatchObject({
        code: 'UNSUPPORTED_OPERATION',
      });
    expect(await readFile(at('precious'), 'utf8')).toBe('precious');
  });
});
