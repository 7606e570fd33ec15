import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { BLOCK_SIZE, CODEC, type FrameExtent, startThread } from '@holdfast/block';
import { createFrameMaker, type FrameMaker, type FrameMakerOptions } from './frame-maker.ts';
import { type FrameWork, makeFrame } from './make-frame.ts';

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
    expect(maker.running).toBe(true);
  });

  it('takes digests that are known as they are', async () => {
    open();
    const [work] = works();
    const digests = randomBytes(65 * 16).subarray(0, 64 * 16);
    const { bytes } = await maker.make({ ...work!, digests });
    expect(Buffer.from(bytes).includes(digests)).toBe(true);
  });

  it('is not asked before it pays, nor for little', async () => {
    open({ after: 3 * LENGTH });
    const [work] = works();
    await maker.make(work!);
    expect(maker.running).toBe(false);
    for (let count = 0; count < 200; count += 1)
      await maker.make({ ...work!, extents: [{ offset: 0, length: BLOCK_SIZE, kind: 'data' }], data: work!.data.subarray(0, BLOCK_SIZE) });
    expect(maker.running).toBe(false);
    await maker.make(work!);
    expect(maker.running).toBe(true);
  });

  it('ends when there is nothing to do, and is started again', async () => {
    const ended = Promise.withResolvers<void>();
    open({
      idle: 20,
      start: () => {
        const worker = startThread('packing-thread', require('node:url').pathToFileURL(`${__dirname}/x.ts`).href);
        worker.once('exit', () => ended.resolve());
        return worker;
      },
    });
    await agrees();
    await ended.promise;
    expect(maker.running).toBe(false);
    await agrees();
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
