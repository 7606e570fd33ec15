import { createMemoryDisk, noSpace } from './testing/memory-disk.ts';
import { type Action, observe, openOn, runActions, SEGMENT_BYTES } from './testing/model.ts';
import { appendFrames, commitCut, DISKS, nextCut, readBack, type ScriptedCut } from './testing/scripted-cuts.ts';

const print = (cut: ScriptedCut): string => cut.print;

describe('the agent log', () => {
  it('streams committed cuts again and again, in order, over several segments', async () => {
    const hrl = openOn(createMemoryDisk());
    expect(hrl.recovery).toEqual({ boot: 'fresh', losses: [] });
    const written = [commitCut(hrl, [[500, 700, 900], [300]]), commitCut(hrl, [[], [1500, 10]]), commitCut(hrl, [[0, 1]])];
    expect(await readBack(hrl)).toEqual(written.map(print));
    expect(await readBack(hrl)).toEqual(written.map(print));
  });

  it('knows its heads, point and manifest when everything was freed and the process started again', async () => {
    const disk = createMemoryDisk();
    const hrl = openOn(disk);
    for (let i = 0; i < 20; i += 1) hrl.free(commitCut(hrl, [[900], [400, 100]]).id);
    const [heads, pointId, manifest] = [hrl.heads(), hrl.lastPointId, hrl.lastManifest];
    await hrl.close();
    const again = openOn(disk);
    expect(again.recovery).toEqual({ boot: 'same', losses: [] });
    expect([again.heads(), again.lastPointId, again.lastManifest]).toEqual([heads, pointId, manifest]);
    expect(heads.get(DISKS[0])).toMatchObject({ number: 19, open: false, diskSize: 1 << 30, ended: false });
    expect(manifest?.identity).toMatch(/^[0-9a-f]{64}$/);
    expect([again.committed(), again.usedBytes]).toEqual([[], 0]);
  });

  it('uses memory first, then disk, and goes back to memory when it is free again', () => {
    const disk = createMemoryDisk();
    const hrl = openOn(disk);
    const written = [];
    for (let i = 0; i < 6; i += 1) written.push(commitCut(hrl, [[1200]]));
    const segments = (place: string): number => hrl.files().filter((path) => path.startsWith(`${place}/segment`)).length;
    expect([segments('/hot'), segments('/cold')]).toEqual([3, 3]);
    for (const { id } of written) hrl.free(id);
    expect(segments('/hot')).toBe(1);
    const before = disk.operations.length;
    hrl.free(commitCut(hrl, [[1000]]).id);
    const frameWrites = disk.operations.slice(before).filter(({ kind, path }) => kind === 'write' && path.includes('segment'));
    expect(frameWrites.filter(({ path }) => path.startsWith('/hot/'))).toHaveLength(3);
    expect(frameWrites.filter(({ path }) => path.startsWith('/cold/'))).toHaveLength(1);
  });

  it('refuses what does not fit with NO_SPACE, drops that cut alone and goes on', async () => {
    const disk = createMemoryDisk();
    const hrl = openOn(disk);
    const first = commitCut(hrl, [[600]]);
    const used = hrl.usedBytes;
    const writer = hrl.begin();
    expect(() => appendFrames(writer, [Array(40).fill(1000)])).toThrow(expect.objectContaining({ code: 'NO_SPACE', retryable: true }));
    expect(hrl.usedBytes).toBe(used);
    expect(() => writer.append(0, new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    const second = commitCut(hrl, [Array(8).fill(1000)]);
    expect(await readBack(hrl)).toEqual([first.print, second.print]);
    await hrl.close();
    expect(await readBack(openOn(disk))).toEqual([first.print, second.print]);
  });

  it('never goes over its quota on either place', () => {
    const disk = createMemoryDisk();
    const hrl = openOn(disk, { hotSegments: 2, coldSegments: 3 });
    expect(hrl.quotaBytes).toBe(5 * SEGMENT_BYTES);
    const fill = (): void => {
      for (;;) commitCut(hrl, [[1300]]);
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    expect(hrl.committed()).toHaveLength(5);
    expect([...disk.files.keys()].filter((path) => path.includes('segment'))).toHaveLength(5);
  });

  it('treats a full file system in memory as a full tier, a full disk as NO_SPACE', async () => {
    const full = new Set(['/hot', '/cold']);
    const disk = createMemoryDisk({
      before: ({ kind, path }) => {
        if (kind === 'create' && path.includes('segment') && full.has(path.slice(0, path.lastIndexOf('/')))) throw noSpace(path);
      },
    });
    const hrl = openOn(disk);
    expect(() => hrl.begin()).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    full.delete('/cold');
    const written = commitCut(hrl, [[100]]);
    expect(await readBack(hrl)).toEqual([written.print]);
    expect(hrl.files().filter((path) => path.includes('segment'))).toEqual([expect.stringMatching(/^\/cold\//)]);
  });

  it('refuses a frame larger than a segment', () => {
    const writer = openOn(createMemoryDisk()).begin();
    expect(() => writer.append(0, new Uint8Array(SEGMENT_BYTES))).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
  });

  it('writes one cut at a time and frees in order', () => {
    const hrl = openOn(createMemoryDisk());
    const [first, second] = [commitCut(hrl, [[1]]), commitCut(hrl, [[2]])];
    expect(() => hrl.free(second.id)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    hrl.begin();
    expect(() => hrl.begin()).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    hrl.free(first.id);
    expect(() => hrl.free(first.id)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('refuses to read a cut that was freed meanwhile, instead of giving what took its place', async () => {
    const hrl = openOn(createMemoryDisk());
    commitCut(hrl, [[100, 100]]);
    const content = hrl.committed()[0]!;
    const frames = content.frames(0)[Symbol.asyncIterator]();
    await frames.next();
    hrl.free(Buffer.from(content.cut.id).toString('hex'));
    await expect(frames.next()).rejects.toMatchObject({ code: 'INTERNAL', why: expect.stringContaining('freed') });
  });

  it('agrees with a plain list over a long run with restarts', async () => {
    const shape = (n: number): number[][] => [Array(n % 5).fill(97 * (n % 17)), Array(n % 3).fill(700)];
    const actions: Action[] = Array.from({ length: 300 }, (_, n): Action => {
      const kinds = ['commit', 'free', 'commit', 'abandon', 'free during', 'reopen', 'free'] as const;
      return { kind: kinds[(n * n + 3 * n) % kinds.length]!, shape: shape(n) };
    });
    const disk = createMemoryDisk();
    let expected: unknown;
    const hrl = await runActions(disk, actions, (step) => {
      expected = step;
    });
    expect(await observe(hrl)).toEqual(expected);
  });

  it('stays unusable after a control write failed, and finds the truth when opened anew', async () => {
    let failing = false;
    const disk = createMemoryDisk({
      before: ({ path }) => {
        if (failing && path.endsWith('control.hrl')) throw Object.assign(new Error('EIO'), { code: 'IO_FAILED' });
      },
    });
    const hrl = openOn(disk);
    const first = commitCut(hrl, [[10]]);
    const writer = hrl.begin();
    const second = appendFrames(writer, [[20]]);
    const cut = nextCut(hrl.heads(), writer, second);
    failing = true;
    expect(() => writer.commit(cut)).toThrow('EIO');
    expect(() => hrl.begin()).toThrow('EIO');
    expect(() => hrl.free(first.id)).toThrow('EIO');
    failing = false;
    await hrl.close();
    expect(await readBack(openOn(disk))).toEqual([first.print, second.print]);
  });

  it('refuses the log of another machine and another hot directory', async () => {
    const disk = createMemoryDisk();
    await openOn(disk).close();
    expect(() => openOn(disk, { hotSegments: 0 })).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
    expect(openOn(disk, { hotSegments: 0, bootId: 'f'.repeat(32) }).recovery.boot).toBe('changed');
  });
});
