import { createSecretKey } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { BLOCK_SIZE, createFrame, type FrameExtent, serializeFrame, startThread } from '@holdfast/block';
import { newId } from '@holdfast/protocol';
import { createFrameThreads, type FrameThreads } from './frame-threads.ts';
import { HEADER_SIZE, OBJECT_KIND } from './object-header.ts';
import { type FrameKeys, NO_TAG, openHead, sealObject } from './sealed-object.ts';

const FRAMES = 12;
const FRAME = 16 * BLOCK_SIZE;

interface Sample {
  readonly keys: FrameKeys;
  readonly sealed: readonly Buffer[];
  readonly data: readonly Buffer[];
}

/** An object with frames of every kind: that compress, that do not, that hold zeroes only, of several extents, with a short last block. */
const sample = async (): Promise<Sample> => {
  const key = Buffer.alloc(32, 9);
  const identity = { kind: OBJECT_KIND.part, keyEpoch: 1, vaultId: newId(), machineId: newId(), number: 0, previousTag: NO_TAG };
  const data = Array.from({ length: FRAMES }, (_, n) =>
    n % 3 === 1
      ? Buffer.from(Array.from({ length: FRAME }, (_byte, i) => (i * i * 31 + (i >> 7) * n) & 255))
      : Buffer.alloc(FRAME, `${n} ways `),
  );
  data[FRAMES - 1] = data[FRAMES - 1]!.subarray(0, FRAME - 1000);
  const frames: Uint8Array[] = [];
  for (const [n, bytes] of data.entries()) {
    const extents: FrameExtent[] = [
      { offset: n * 2 * FRAME, length: 8 * BLOCK_SIZE, kind: 'data' },
      { offset: (n * 2 + 1) * FRAME, length: BLOCK_SIZE, kind: 'zero' },
      { offset: (n * 2 + 1) * FRAME + BLOCK_SIZE, length: bytes.length - 8 * BLOCK_SIZE, kind: 'data' },
    ];
    frames.push(serializeFrame(await createFrame(extents, bytes, (['lz4', 'lz4', 'zstd', 'raw'] as const)[n % 4]!)));
  }
  const { bytes } = sealObject(key, identity, { records: Buffer.from('r'), index: new Uint8Array(0), frames });
  const head = openHead(key, identity, bytes, 'object');
  let at = HEADER_SIZE + head.header.recordsLength;
  const sealed = frames.map(({ length }) => {
    at += length + 16;
    return bytes.subarray(at - length - 16, at);
  });
  return { keys: head.frameKeys, sealed, data };
};

describe('threads that open frames', () => {
  let made: Sample;
  let threads: FrameThreads;
  beforeAll(async () => {
    made = await sample();
  });
  beforeEach(() => {
    threads = createFrameThreads({ most: 2, after: 0 });
  });
  afterEach(() => threads.close());

  const large = (sealed: readonly Uint8Array[]) => sealed.reduce((sum, { length }) => sum + length, 0) >= 64 * 1024;

  it('give what is in them, many at the same time, in no more threads than they may', async () => {
    expect(large(made.sealed)).toBe(true);
    const all = await Promise.all(Array.from({ length: 20 }, () => threads.open(made.keys, 0, made.sealed)));
    expect(threads.running).toBe(2);
    for (const opened of all)
      for (const [n, data] of opened.entries()) {
        expect(Buffer.compare(data!.slice(0, data!.length), made.data[n]!)).toBe(0);
        expect(data!.offsetAt(8 * BLOCK_SIZE)).toBe((n * 2 + 1) * FRAME + BLOCK_SIZE);
        expect(data!.blocks(0, 1).digests).toHaveLength(16);
      }
  });

  it('leave to the caller what is damaged, in the wrong place or not what was expected, and nothing else', async () => {
    const flipped = made.sealed.map((bytes) => Buffer.from(bytes));
    flipped[5]![100]! ^= 1;
    const whole = (opened: readonly unknown[]) => opened.flatMap((data, n) => (data === undefined ? [] : [n]));
    const others = (...without: number[]) => Array.from({ length: FRAMES }, (_, n) => n).filter((n) => !without.includes(n));
    expect(whole(await threads.open(made.keys, 0, flipped))).toEqual(others(5));
    const swapped = [...made.sealed];
    [swapped[2], swapped[6]] = [swapped[6]!, swapped[2]!];
    expect(whole(await threads.open(made.keys, 0, swapped))).toEqual(others(2, 6));
    expect(whole(await threads.open({ ...made.keys, key: createSecretKey(Buffer.alloc(32)) }, 0, made.sealed))).toEqual([]);
    expect(whole(await threads.open(made.keys, 0, made.sealed, (_, frame) => frame !== 3))).toEqual(others(3));
  });

  it('fill memory that they share, or say that they did not', async () => {
    const target = Buffer.from(new SharedArrayBuffer(3 * FRAME));
    const wanted = [
      { frame: 1, from: 0, to: 5000, offset: 2 * FRAME, at: 10 },
      { frame: 1, from: 8 * BLOCK_SIZE + 7, to: FRAME, offset: 3 * FRAME + BLOCK_SIZE + 7, at: 2 * FRAME },
      { frame: 4, from: 100, to: 200, offset: 8 * FRAME + 100, at: 9000 },
    ];
    expect(await threads.fill(made.keys, 0, made.sealed, { target, wanted })).toBe(true);
    const expected = Buffer.alloc(target.length);
    for (const { frame, from, to, at } of wanted) expected.set(made.data[frame]!.subarray(from, to), at);
    expect(target.equals(expected)).toBe(true);
    // What is the caller's own is handed over where it is in one piece; what is not stays.
    const own = new Uint8Array(Buffer.concat(made.sealed));
    let from = 0;
    const pieces = made.sealed.map(({ length }) => {
      from += length;
      return own.subarray(from - length, from);
    });
    target.fill(0);
    expect(await threads.fill(made.keys, 0, pieces, { target, wanted, isOwn: true })).toBe(true);
    expect(target.equals(expected)).toBe(true);
    expect(own).toHaveLength(0);
    expect(await threads.fill(made.keys, 0, made.sealed, { target, wanted, isOwn: true })).toBe(true);
    expect(made.sealed[0]!.length).toBeGreaterThan(0);
    const flipped = made.sealed.map((bytes) => Buffer.from(bytes));
    flipped[4]![50]! ^= 1;
    expect(await threads.fill(made.keys, 0, flipped, { target, wanted })).toBe(false);
    const elsewhere = wanted.map((one) => ({ ...one, offset: one.offset + BLOCK_SIZE }));
    expect(await threads.fill(made.keys, 0, made.sealed, { target, wanted: elsewhere })).toBe(false);
    expect(await threads.fill(made.keys, 0, made.sealed, { target, wanted }, (_, frame) => frame !== 1)).toBe(false);
  });

  it('are not asked for little, nor before it pays', async () => {
    const later = createFrameThreads({ after: 10 * 1024 * 1024 });
    expect(await later.open(made.keys, 0, made.sealed)).toEqual(made.sealed.map(() => undefined));
    expect(later.running).toBe(0);
    expect(await threads.open(made.keys, 0, made.sealed.slice(0, 1))).toEqual([undefined]);
    expect(threads.running).toBe(0);
  });

  it('that die, or cannot be started, leave the work to the caller, and are given up after a few', async () => {
    let started = 0;
    const dying = createFrameThreads({
      most: 1,
      after: 0,
      start: () => {
        started += 1;
        return new Worker('require("node:worker_threads").parentPort.once("message", () => { throw new Error("dead"); })', { eval: true });
      },
    });
    for (let i = 0; i < 6; i += 1) expect(await dying.open(made.keys, 0, made.sealed)).toEqual(made.sealed.map(() => undefined));
    expect(started).toBe(3);
    const absent = createFrameThreads({ after: 0, start: () => startThread('nowhere', 'no address') });
    expect(await absent.open(made.keys, 0, made.sealed)).toEqual(made.sealed.map(() => undefined));
  });

  it('end when they are told to, after what is under way', async () => {
    const opening = [
      threads.open(made.keys, 0, made.sealed),
      threads.open(made.keys, 0, made.sealed),
      threads.open(made.keys, 0, made.sealed),
    ];
    await threads.close();
    expect(threads.running).toBe(0);
    // All of it was answered by the threads: the caller would have found `undefined`.
    for (const opened of await Promise.all(opening)) expect(opened.filter((data) => data === undefined)).toEqual([]);
    // Who wants more afterwards is served, too.
    expect(await threads.open(made.keys, 0, made.sealed)).not.toContain(undefined);
    expect(threads.running).toBe(1);
  });
});
