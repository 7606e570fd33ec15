import fc from 'fast-check';
import { CONTROL_SLOT_SIZE } from './control-slot.ts';
import { createMemoryDisk, type MemoryDisk } from './testing/memory-disk.ts';
import { type Action, type Expected, observe, observeHeads, openOn, runActions } from './testing/model.ts';
import { readBack } from './testing/scripted-cuts.ts';

const NEXT_BOOT = { bootId: 'f'.repeat(32) };

/** A log with cuts in memory and on disk, some freed, and a used segment behind the tail. */
const writeLog = async (): Promise<{ disk: MemoryDisk; expected: Expected }> => {
  const commit = (shape: number[][]): Action => ({ kind: 'commit', shape });
  const actions = [commit([[300]]), commit([[900, 1], [800]]), commit([[1200], []]), commit([[40], [1500, 300]]), commit([[900], [900]])];
  const disk = createMemoryDisk();
  let expected: Expected | undefined;
  const hrl = await runActions(disk, [...actions, { kind: 'free' }, commit([[5, 6, 7], [8]])], (step) => {
    expected = step;
  });
  expect(hrl.committed()).toHaveLength(5);
  return { disk, expected: expected! };
};

const damage = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), bit: fc.integer({ min: 0, max: 7 }), at: fc.nat(), length: fc.constant(1) }),
  fc.record({ kind: fc.constant('zero' as const), bit: fc.constant(0), at: fc.nat(), length: fc.integer({ min: 1, max: 5000 }) }),
  fc.record({ kind: fc.constant('truncate' as const), bit: fc.constant(0), at: fc.nat(), length: fc.constant(0) }),
);

describe('a damaged agent log', () => {
  it('is named, or everything committed is still there: never a cut less, never a wrong byte', async () => {
    const { disk, expected } = await writeLog();
    const paths = [...disk.files.keys()];
    let named = 0;
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(paths.length - 1), damage, fc.boolean(), async (file, { kind, at, bit, length }, low) => {
        const files = disk.clone();
        const path = paths[file]!;
        const content = files.change(path);
        // Most of a control file is empty: look at its filled parts more often.
        const from = low ? (at % 2) * (content.length >> 1) + ((at >> 1) % 700) : at % content.length;
        if (kind === 'truncate') files.files.set(path, content.subarray(0, from));
        else if (kind === 'zero') content.subarray(from, from + length).fill(0);
        else content[from] = content[from]! ^ (1 << bit);
        try {
          const hrl = openOn(files);
          const heads = observeHeads(hrl);
          const cuts = await readBack(hrl);
          // The write that freed a cut may be the one that is gone: then the cut is here once more.
          expect({ ...heads, cuts: cuts.slice(-expected.cuts.length) }).toEqual(expected);
          expect(cuts.length - expected.cuts.length).toBeLessThanOrEqual(1);
          whole += 1;
        } catch (reason) {
          if ((reason as { code?: string }).code !== 'DAMAGED') throw reason;
          expect((reason as { thing: string }).thing).toMatch(/^\/(hot|cold)\/.* at byte \d+$|^agent log|^\/hot at byte/);
          named += 1;
        }
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(named, whole)).toBeGreaterThan(100);
  }, 600_000);

  it('names the file and the byte of a damaged frame when it is read', async () => {
    const { disk } = await writeLog();
    const segment = [...disk.files.keys()].find((path) => path.startsWith('/cold/segment'))!;
    const hrl = openOn(disk);
    const place = disk.operations.find(
      (operation) => operation.path === segment && operation.kind === 'write' && operation.bytes.length > 800,
    );
    const at = place?.kind === 'write' ? place.offset : 0;
    disk.change(segment)[at + 100]! ^= 0xff;
    await expect(readBack(hrl)).rejects.toMatchObject({ code: 'DAMAGED', thing: `${segment} at byte ${at}` });
  });

  it('finds the newest cut although every control write that followed it is damaged', async () => {
    const { disk, expected } = await writeLog();
    const commit = disk.operations.findLastIndex(({ kind, path }) => kind === 'write' && path.includes('segment'));
    const after = disk.operations.slice(commit + 1).filter((operation) => operation.kind === 'write');
    for (const { path, offset, bytes } of after) disk.change(path).fill(0, offset, offset + bytes.length);
    expect(after.length).toBeGreaterThan(0);
    expect(await observe(openOn(disk))).toEqual(expected);
  });

  it('is refused as a whole when no control write can be read or the part in memory is gone', async () => {
    const { disk } = await writeLog();
    const withoutControl = disk.clone();
    for (const path of ['/hot/control.hrl', '/cold/control.hrl']) withoutControl.change(path).fill(0, 0, 2 * CONTROL_SLOT_SIZE);
    expect(() => openOn(withoutControl)).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
    const withoutHot = disk.clone();
    for (const path of withoutHot.files.keys()) if (path.startsWith('/hot')) withoutHot.files.delete(path);
    expect(() => openOn(withoutHot)).toThrow(expect.objectContaining({ code: 'DAMAGED', thing: '/hot at byte 0' }));
    // Nothing was changed by looking: the untouched log still opens.
    expect(openOn(disk).committed()).toHaveLength(5);
  });
});

describe('the agent log after a restart of the machine', () => {
  const restarted = (disk: MemoryDisk): MemoryDisk => {
    const files = disk.clone();
    for (const path of files.files.keys()) if (path.startsWith('/hot')) files.files.delete(path);
    return files;
  };

  it('keeps everything when all of it was on disk, and ends every generation', async () => {
    const disk = createMemoryDisk();
    let expected: Expected | undefined;
    const actions: Action[] = [{ kind: 'commit', shape: [[500], [600]] }];
    await runActions(
      disk,
      actions,
      (step) => {
        expected = step;
      },
      { hotSegments: 0 },
    );
    const hrl = openOn(disk, { hotSegments: 0, ...NEXT_BOOT });
    expect(hrl.recovery).toEqual({ boot: 'changed', losses: [] });
    expect(await observe(hrl)).toEqual(expected);
    expect([...hrl.heads().values()].every(({ ended }) => ended)).toBe(true);
    // It stays so until a new generation begins, whatever happens to the process.
    await hrl.close();
    const again = openOn(disk, { hotSegments: 0, ...NEXT_BOOT });
    expect(again.recovery.boot).toBe('same');
    expect([...again.heads().values()].every(({ ended }) => ended)).toBe(true);
  });

  it('says what is lost and goes back to the newest epoch that is not', async () => {
    const { disk } = await writeLog();
    const hrl = openOn(restarted(disk), NEXT_BOOT);
    expect(hrl.recovery.boot).toBe('changed');
    expect(hrl.recovery.losses.length).toBeGreaterThan(0);
    expect(hrl.lastManifest).toBeUndefined();
    expect(hrl.committed()).toEqual([]);
    // Only the first cut was freed, that is durable in the vault.
    expect([...hrl.heads().values()].map(({ number, ended }) => ({ number, ended }))).toEqual([{ number: 0, ended: true }]);
  });

  it('keeps the cuts before a page that never reached the disk', async () => {
    const disk = createMemoryDisk();
    const commit: Action = { kind: 'commit', shape: [[1000]] };
    const steps: Expected[] = [];
    await runActions(disk, [commit, commit, commit, commit], (step) => steps.push(step), { hotSegments: 0 });
    const written = disk.operations.filter((operation) => operation.kind === 'write' && operation.bytes.length > 1000);
    const third = written[2];
    if (third?.kind !== 'write') throw new Error('no third frame');
    disk.change(third.path).fill(0, third.offset + 200, third.offset + 900);
    const hrl = openOn(disk, { hotSegments: 0, ...NEXT_BOOT });
    expect(hrl.recovery.losses).toEqual([expect.stringContaining(`${third.path} at byte ${third.offset}`)]);
    expect(await observe(hrl)).toEqual(steps[2]);
  });
});
