import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { BLOCK_SIZE, CODEC, endThread, type FrameExtent, parseFrame, startThread } from '@holdfast/block';
import fc from 'fast-check';
import { createFrameMaker, type FrameMaker, type FrameMakerOptions } from './frame-maker.ts';
import { createFramePacker } from './frame-packer.ts';
import { type FrameWork, type MadeFrame, makeFrame } from './make-frame.ts';
import { applyFrames } from './testing/apply-frames.ts';

const LENGTH = 64 * BLOCK_SIZE;

const inShared = (bytes: Uint8Array): Uint8Array => {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 2 * BLOCK_SIZE)).subarray(BLOCK_SIZE, BLOCK_SIZE + bytes.length);
  shared.set(bytes);
  return shared;
};

/** Frames of every kind: that compress, that do not, of several extents, with a short last block; in memory of either kind. */
const works = (): FrameWork[] =>
  Array.from({ length: 24 }, (_, n) => {
    const bytes = n % 3 === 0 ? randomBytes(LENGTH) : Buffer.alloc(LENGTH, `${n} ways `);
    const data = n % 2 === 0 ? inShared(bytes) : bytes;
    const extents: FrameExtent[] = [
      { offset: n * 2 * LENGTH, length: 8 * BLOCK_SIZE, kind: 'data' },
      { offset: (n * 2 + 1) * LENGTH, length: BLOCK_SIZE, kind: 'zero' },
      { offset: (n * 2 + 1) * LENGTH + BLOCK_SIZE, length: LENGTH - 8 * BLOCK_SIZE - (n % 5), kind: 'data' },
    ];
    return {
      extents,
      data: data.subarray(0, LENGTH - (n % 5)),
      codec: (['lz4', 'zstd', 'raw'] as const)[n % 3 === 0 ? 0 : n % 3]!,
      digests: undefined,
    };
  });

describe('a thread that makes frames', () => {
  let maker: FrameMaker;
  const open = (options: FrameMakerOptions = {}): FrameMaker => {
    maker = createFrameMaker({ after: 0, ...options });
    return maker;
  };
  afterEach(() => maker.close());

  const agrees = async (): Promise<void> => {
    const all = works();
    const made = await Promise.all(all.map((work) => maker.make(work)));
    for (const [n, { bytes, codec }] of made.entries()) {
      const expected = await makeFrame(all[n]!);
      expect(Buffer.compare(bytes, expected.bytes)).toBe(0);
      expect(codec).toBe(expected.codec);
    }
    // The oracle's own control: frames differ.
    expect(made.filter(({ codec }) => codec === CODEC.raw).length).toBeGreaterThan(0);
    expect(Buffer.compare(made[0]!.bytes, made[1]!.bytes)).not.toBe(0);
  };

  it('makes the frames that are made without it', async () => {
    open();
    await agrees();
    expect(maker.running).toBeGreaterThan(0);
  });

  it('starts another one when the first does not keep up, and no more', async () => {
    open({ threads: 1 });
    await agrees();
    expect(maker.running).toBe(1);
    await maker.close();
    open();
    const [work] = works();
    await maker.make(work!);
    expect(maker.running).toBe(1);
    await agrees();
    expect(maker.running).toBe(2);
  });

  it('lets others work first, and changes nothing for them', async () => {
    if (process.platform !== 'linux') return;
    const nice = (): number[] =>
      readdirSync('/proc/self/task').flatMap((id) => {
        try {
          const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
          return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
        } catch {
          // A thread that ended meanwhile.
          return [];
        }
      });
    const before = nice();
    open({ threads: 1 });
    await agrees();
    expect(nice().filter((value) => value === Math.min(19, os.getPriority(0) + 5))).toHaveLength(1);
    await maker.close();
    expect(new Set(nice())).toEqual(new Set(before));
  });

  it('takes digests that are known as they are', async () => {
    open();
    const [work] = works();
    const digests = randomBytes(65 * 16).subarray(0, 64 * 16);
    const { bytes } = await maker.make({ ...work!, digests });
    expect(Buffer.from(bytes).includes(digests)).toBe(true);
  });

  it('is not asked before it pays, nor for little', async () => {
    open({ after: 3 * LENGTH, pause: Number.POSITIVE_INFINITY });
    const [work] = works();
    await maker.make(work!);
    expect(maker.running).toBe(0);
    for (let count = 0; count < 200; count += 1)
      await maker.make({ ...work!, extents: [{ offset: 0, length: BLOCK_SIZE, kind: 'data' }], data: work!.data.subarray(0, BLOCK_SIZE) });
    expect(maker.running).toBe(0);
    await maker.make(work!);
    expect(maker.running).toBeGreaterThan(0);
  });

  it('is not asked for what comes now and then', async () => {
    open({ after: 3 * LENGTH, pause: -1 });
    const [work] = works();
    for (let count = 0; count < 9; count += 1) await maker.make(work!);
    expect(maker.running).toBe(0);
    // The control: without a pause that is enough.
    await maker.close();
    open({ after: 3 * LENGTH, pause: Number.POSITIVE_INFINITY });
    for (let count = 0; count < 9; count += 1) await maker.make(work!);
    expect(maker.running).toBeGreaterThan(0);
  });

  const own = require('node:url').pathToFileURL(`${__dirname}/x.ts`).href;

  it('ends when there is nothing to do, and is started again', async () => {
    const started: Promise<unknown>[] = [];
    open({
      idle: 20,
      start: () => {
        const worker = startThread('packing-thread', own);
        started.push(once(worker, 'exit'));
        return worker;
      },
    });
    await agrees();
    expect(started).toHaveLength(2);
    await Promise.all(started);
    expect(maker.running).toBe(0);
    await agrees();
  });

  it('loses no frame and no order when threads are killed, or told to end, at any moment', async () => {
    const all = works();
    const expected = await Promise.all(all.map((work) => makeFrame(work)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat(23), what: fc.constantFrom('kill', 'end', 'close') }), { maxLength: 4 }),
        async (happenings) => {
          const threads: Worker[] = [];
          open({
            start: () => {
              const worker = startThread('packing-thread', own);
              threads.push(worker);
              return worker;
            },
          });
          const ends: Promise<unknown>[] = [];
          const emitted: Uint8Array[] = [];
          const packer = createFramePacker({ codec: 'lz4', maker, emit: (frame) => emitted.push(frame) });
          const wanted: Uint8Array[] = [];
          const calls: Promise<void>[] = [];
          const asked: Promise<MadeFrame>[] = [];
          for (let count = 0; count < 24; count += 1) {
            for (const { at, what } of happenings) {
              if (at !== count) continue;
              const thread = threads.at(at % Math.max(1, threads.length));
              if (what === 'close') ends.push(maker.close());
              else if (thread !== undefined) ends.push(what === 'kill' ? thread.terminate() : endThread(thread));
            }
            asked.push(maker.make(all[count % all.length]!));
            const data = all[count % all.length]!.data;
            wanted.push(data);
            calls.push(packer.add(count * 4 * LENGTH, data.subarray(0, LENGTH - BLOCK_SIZE)));
            // Now and then they come to work.
            if (count % 8 === 0) await asked[count];
          }
          for (const [count, { bytes }] of (await Promise.all(asked)).entries())
            expect(Buffer.compare(bytes, expected[count % all.length]!.bytes)).toBe(0);
          await Promise.all(calls);
          await packer.finish();
          await Promise.all(ends);
          const offsets = emitted.flatMap((frame) => parseFrame(frame).extents.map(({ offset }) => offset));
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
          const disk = new Uint8Array(24 * 4 * LENGTH);
          await applyFrames(emitted, disk);
          for (const [count, data] of wanted.entries())
            expect(
              Buffer.compare(
                disk.subarray(count * 4 * LENGTH, count * 4 * LENGTH + LENGTH - BLOCK_SIZE),
                data.subarray(0, LENGTH - BLOCK_SIZE),
              ),
            ).toBe(0);
          await maker.close();
        },
      ),
      { numRuns: 4 },
    );
  });

  it.each([
    ['dies', () => new Worker('process.exit(0)', { eval: true })],
    ['fails', () => new Worker("throw new Error('cannot')", { eval: true })],
    [
      'cannot be started',
      () => {
        throw new Error('no threads here');
      },
    ],
  ] as const)('loses nothing when it %s, and is not tried for ever', async (_what, start) => {
    let started = 0;
    open({
      start: () => {
        started += 1;
        return start();
      },
    });
    for (let count = 0; count < 5; count += 1) await agrees();
    expect(started).toBeGreaterThan(0);
    expect(started).toBeLessThanOrEqual(3);
  });
});
