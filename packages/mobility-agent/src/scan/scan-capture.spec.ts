import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { BLOCK_SIZE } from '@holdfast/block';
import { idBytes } from '@holdfast/protocol';
import fc from 'fast-check';
import { CHUNK_SPAN } from './digest-file.ts';
import type { ScanProgress } from './scan-capture.ts';
import { type Kill, Killed, ScanRig, TestImage } from './testing/scan-rig.ts';

const rigs: ScanRig[] = [];
const rigOf = (images: TestImage[], quotaBytes?: number): ScanRig => {
  const rig = new ScanRig(images, quotaBytes);
  rigs.push(rig);
  return rig;
};

afterEach(() => {
  for (const rig of rigs.splice(0)) rig.dispose();
});

const equal = (received: readonly Buffer[], images: readonly TestImage[]): boolean =>
  received.length === images.length && received.every((disk, index) => Buffer.compare(disk, images[index]!.content) === 0);

/** Three chunks, the last one ending within a block. */
const SIZE = 2 * CHUNK_SPAN + 5 * BLOCK_SIZE + 1000;

const imageWith = (...offsets: number[]): TestImage => {
  const image = new TestImage(SIZE);
  for (const offset of offsets) image.write(offset, randomBytes(BLOCK_SIZE));
  return image;
};

describe('the scan', () => {
  it('copies in pieces what is not zero and closes the generation with a point', async () => {
    const rig = rigOf([imageWith(0, CHUNK_SPAN + 8192, SIZE - 5000)]);
    const progress: ScanProgress[] = [];
    const result = await rig.scan({ onProgress: (it) => progress.push(it) });
    const cuts = rig.hrl.committed().map(({ cut }) => cut);
    expect(cuts.map(({ epochs }) => [epochs[0]!.open, Number(epochs[0]!.coveredThrough)])).toEqual([
      [true, CHUNK_SPAN],
      [true, 2 * CHUNK_SPAN],
      [true, SIZE],
      [false, 0],
    ]);
    expect(cuts.map(({ epochs }) => Number(epochs[0]!.dataBytes))).toEqual([4096, 4096, 5096, 0]);
    expect(cuts.map(({ point }) => point !== undefined)).toEqual([false, false, false, true]);
    expect([result.passes, rig.images[0]!.bytesRead]).toEqual([1, SIZE]);
    expect(progress.at(-1)).toEqual({ total: SIZE, done: SIZE, pass: 1 });
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('sends the second time only blocks that differ, zeroed ones as zeroes', async () => {
    const rig = rigOf([imageWith(0, 4096, CHUNK_SPAN)]);
    await rig.scan();
    await rig.drain();
    const [image] = rig.images;
    image!.write(4096, Buffer.alloc(4096));
    image!.write(3 * 4096, randomBytes(4096));
    const result = await rig.scan();
    expect(result.content.cut.epochs).toMatchObject([{ number: 4n, dataBytes: 4096n, zeroBytes: 4096n, open: false }]);
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
    expect((await rig.scan()).content.cut.epochs).toMatchObject([{ number: 5n, dataBytes: 0n, zeroBytes: 0n, frameCount: 0n }]);
  });

  it('reads what never rests out of snapshots, several disks at one instant', async () => {
    const rig = rigOf([imageWith(0), imageWith(4096)]);
    await rig.scan();
    await rig.drain();
    const [first, second] = rig.images as [TestImage, TestImage];
    for (const image of [first, second]) image.beforeRead = () => image.write(8192, randomBytes(4096));
    await expect(rig.scan()).rejects.toMatchObject({ code: 'CAPTURE_NOT_CONVERGED' });
    // Between the snapshots of the first attempts something is written too: they are not of one instant.
    let between = 3;
    let wanted: Buffer[] = [];
    first.onSnapshot = () => {
      if (between > 0) first.write(12_288, randomBytes(4096));
      between -= 1;
    };
    second.onSnapshot = () => {
      wanted = [first, second].map(({ content }) => Buffer.from(content));
    };
    const result = await rig.scan();
    await rig.drain();
    expect(between).toBe(-1);
    expect(rig.received(result).map((disk, index) => disk.equals(wanted[index]!))).toEqual([true, true]);
    // Alone a disk has one instant, whatever is written to it.
    const alone = rigOf([imageWith(0)]);
    const [only] = alone.images as [TestImage];
    only.beforeRead = () => only.write(8192, randomBytes(4096));
    let then = Buffer.alloc(0);
    only.onSnapshot = () => {
      then = Buffer.from(only.content);
      only.write(0, randomBytes(4096));
    };
    const point = await alone.scan();
    await alone.drain();
    expect(alone.received(point)[0]!.equals(then)).toBe(true);
  });

  it('tells an instant up to which its point holds every write, whether it rests or is read out of a snapshot', async () => {
    const instantOf = ({ content }: Awaited<ReturnType<ScanRig['scan']>>): bigint => content.cut.epochs[0]!.instant!.monotonicNanos;
    let seen = 0n;
    const resting = rigOf([imageWith(0)]);
    // What is written from the last look on is not in the point.
    Object.defineProperty(resting.images[0]!, 'version', {
      get: () => {
        seen = process.hrtime.bigint();
        return 0;
      },
    });
    expect(instantOf(await resting.scan())).toBeLessThan(seen);
    const busy = rigOf([imageWith(0)]);
    const [image] = busy.images as [TestImage];
    image.beforeRead = () => image.write(8192, randomBytes(4096));
    image.onSnapshot = () => {
      seen = process.hrtime.bigint();
      image.write(0, randomBytes(4096));
    };
    expect(instantOf(await busy.scan())).toBeLessThan(seen);
  });

  it('reads again what changed while it was read, until all disks are as the cut says', async () => {
    const rig = rigOf([imageWith(0), imageWith(4096)]);
    await rig.scan();
    await rig.drain();
    let changes = 2;
    const [first, second] = rig.images;
    // While the second disk is read, both change where the scan has been already.
    second!.beforeRead = (offset) => {
      if (offset !== CHUNK_SPAN || changes === 0) return;
      changes -= 1;
      first!.write(8192, randomBytes(4096));
      second!.write(0, randomBytes(4096));
    };
    const result = await rig.scan();
    expect(result.passes).toBe(3);
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('makes no cut of what never stands still', async () => {
    const rig = rigOf([imageWith(0)]);
    await rig.scan();
    const before = rig.hrl.heads();
    rig.images[0]!.beforeRead = () => rig.images[0]!.write(0, randomBytes(4096));
    await expect(rig.scan()).rejects.toMatchObject({ code: 'CAPTURE_NOT_CONVERGED', thing: 'test image' });
    expect(rig.hrl.heads()).toEqual(before);
  });

  it('makes no cut of a disk that grows meanwhile, and the next time one of its new size', async () => {
    const rig = rigOf([imageWith(0)]);
    const [image] = rig.images;
    image!.beforeRead = (offset) => {
      if (offset !== CHUNK_SPAN || image!.content.length > SIZE) return;
      image!.content = Buffer.concat([image!.content, randomBytes(BLOCK_SIZE)]);
      image!.version += 1;
    };
    await expect(rig.scan()).rejects.toMatchObject({ code: 'CAPTURE_NOT_CONVERGED' });
    const result = await rig.scan();
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('goes on with a first copy where it was interrupted', async () => {
    const rig = rigOf([imageWith(0, CHUNK_SPAN)]);
    const abort = new AbortController();
    const onProgress = ({ done }: ScanProgress): void => {
      if (done === 2 * CHUNK_SPAN) abort.abort();
    };
    await expect(rig.scan({ signal: abort.signal, onProgress })).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await rig.drain();
    expect([...rig.hrl.heads().values()]).toMatchObject([{ number: 1, open: true, coveredThrough: 2 * CHUNK_SPAN }]);
    rig.restart();
    const result = await rig.scan();
    expect(result.content.cut.epochs).toMatchObject([{ number: 3n, dataBytes: 0n }]);
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('records what cannot be read, makes no point of it, and heals when it can be', async () => {
    const rig = rigOf([imageWith(0, 4096, 8192)]);
    rig.images[0]!.unreadable.add(1);
    const bad = await rig.scan();
    expect(bad).toMatchObject({ pointId: undefined, unreadableBytes: 4096 });
    expect(rig.hrl.committed()[0]!.cut.epochs).toMatchObject([{ dataBytes: 8192n, unreadableBytes: 4096n }]);
    expect((await rig.scan()).content.cut.epochs).toMatchObject([{ unreadableBytes: 0n, frameCount: 0n }]);
    rig.images[0]!.unreadable.clear();
    const good = await rig.scan();
    expect(good.pointId).toBeDefined();
    expect(good.content.cut.epochs).toMatchObject([{ dataBytes: 4096n }]);
    await rig.drain();
    expect(equal(rig.received(good), rig.images)).toBe(true);
  });

  it('begins a generation when more changed than the log holds at once', async () => {
    const rig = rigOf([imageWith(0)], 8 * 1024 * 1024);
    await rig.scan();
    await rig.drain();
    rig.images[0]!.write(0, randomBytes(SIZE));
    const [head] = rig.hrl.heads().values();
    let result: Awaited<ReturnType<ScanRig['scan']>> | undefined;
    for (let attempts = 0; result === undefined; attempts += 1) {
      expect(attempts).toBeLessThan(5);
      result = await rig.scan().catch((reason) => {
        expect(reason).toMatchObject({ code: 'NO_SPACE' });
        return undefined;
      });
      await rig.drain();
    }
    expect(equal(rig.received(result), rig.images)).toBe(true);
    expect(result.content.cut.epochs[0]!.generationId).not.toEqual(idBytes(head!.generationId));
  });

  it('does not believe damaged digests', async () => {
    const rig = rigOf([imageWith(0)]);
    await rig.scan();
    const [file] = rig.digestFiles();
    const bytes = fs.readFileSync(file!);
    fs.writeFileSync(file!, bytes.fill(0, 8192));
    // To the damaged digests this block was zero all the time.
    rig.images[0]!.write(0, Buffer.alloc(BLOCK_SIZE));
    const result = await rig.scan();
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it.each(['before', 'after'] as const)('compares with the newest committed epoch when it died %s the commit', async (when) => {
    const rig = rigOf([imageWith(0)]);
    const [image] = rig.images;
    const first = Buffer.from(image!.content.subarray(0, BLOCK_SIZE));
    await rig.scan();
    image!.write(0, randomBytes(BLOCK_SIZE));
    await expect(rig.scan({ kill: { commit: 0, when } })).rejects.toThrow(Killed);
    rig.restart();
    image!.write(0, first);
    const result = await rig.scan();
    expect(result.content.cut.epochs[0]!.dataBytes).toBe(when === 'before' ? 0n : 4096n);
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('sends everything of a resynchronization whose digests are lost on the way', async () => {
    const rig = rigOf([imageWith(CHUNK_SPAN)]);
    await rig.scan();
    rig.restart({ machine: true });
    rig.images[0]!.write(CHUNK_SPAN, Buffer.alloc(BLOCK_SIZE));
    await expect(rig.scan({ kill: { commit: 0, when: 'after' } })).rejects.toThrow(Killed);
    rig.restart();
    for (const file of rig.digestFiles()) fs.rmSync(file);
    const result = await rig.scan();
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  it('builds on the newest state when a resynchronization was cut short by another one', async () => {
    const rig = rigOf([imageWith(0, CHUNK_SPAN)]);
    const state = (await rig.scan()).content.cut.epochs[0]!;
    await rig.drain();
    rig.restart({ machine: true });
    rig.images[0]!.write(0, randomBytes(BLOCK_SIZE));
    await expect(rig.scan({ kill: { commit: 0, when: 'after' } })).rejects.toThrow(Killed);
    await rig.drain();
    rig.restart({ machine: true });
    const result = await rig.scan();
    const cuts = rig.hrl.committed().map(({ cut }) => cut);
    expect(cuts.flatMap(({ epochs }) => epochs).reduce((sum, { dataBytes }) => sum + Number(dataBytes), 0)).toBe(BLOCK_SIZE);
    const generations = cuts.flatMap((cut) => cut.generations);
    expect(generations).toMatchObject([{ parent: { generationId: state.generationId, number: state.number } }]);
    await rig.drain();
    expect(equal(rig.received(result), rig.images)).toBe(true);
  });

  /** Blocks at all kinds of edges, and so few contents that old ones come back. */
  const BLOCKS = [0, 1, CHUNK_SPAN / BLOCK_SIZE - 1, CHUNK_SPAN / BLOCK_SIZE, CHUNK_SPAN / BLOCK_SIZE + 2];
  const CONTENTS = [Buffer.alloc(BLOCK_SIZE), randomBytes(BLOCK_SIZE), randomBytes(BLOCK_SIZE)];

  type Action =
    | { readonly kind: 'write'; readonly image: number; readonly block: number; readonly content: number }
    | { readonly kind: 'scan'; readonly kill: Kill | undefined }
    | { readonly kind: 'restart'; readonly machine: boolean }
    | { readonly kind: 'damage'; readonly file: number; readonly at: number; readonly length: number }
    | { readonly kind: 'forget' }
    | { readonly kind: 'grow'; readonly image: number; readonly blocks: number };

  const kill = fc.record({ commit: fc.nat(3), when: fc.constantFrom('before' as const, 'after' as const) });
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('write' as const), image: fc.nat(1), block: fc.nat(BLOCKS.length - 1), content: fc.nat(2) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('scan' as const), kill: fc.option(kill, { nil: undefined }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), machine: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('damage' as const), file: fc.nat(5), at: fc.nat(30_000), length: fc.nat(20_000) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow' as const), image: fc.nat(1), blocks: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'forget' as const }) },
  );

  const act = async (rig: ScanRig, done: Action): Promise<void> => {
    switch (done.kind) {
      case 'write': {
        const { content } = rig.images[done.image]!;
        const offset = BLOCKS[done.block]! * BLOCK_SIZE;
        if (offset < content.length) rig.images[done.image]!.write(offset, CONTENTS[done.content]!.subarray(0, content.length - offset));
        return;
      }
      case 'scan': {
        const result = await rig.scan({ kill: done.kill }).catch((reason) => {
          if (!(reason instanceof Killed)) throw reason;
          return undefined;
        });
        if (result === undefined) rig.restart();
        await rig.drain();
        if (result !== undefined && !equal(rig.received(result), rig.images)) throw new Error('the receiver has something else');
        return;
      }
      case 'restart':
        rig.restart(done);
        return;
      case 'damage': {
        const files = rig.digestFiles();
        const path = files[done.file % Math.max(1, files.length)];
        if (path === undefined) return;
        const bytes = fs.readFileSync(path);
        bytes.subarray(done.at, done.at + done.length).fill(0);
        fs.writeFileSync(path, bytes);
        return;
      }
      case 'forget':
        for (const path of rig.digestFiles()) fs.rmSync(path);
        return;
      case 'grow': {
        const image = rig.images[done.image]!;
        image.content = Buffer.concat([image.content, Buffer.alloc(done.blocks * BLOCK_SIZE)]);
        image.version += 1;
      }
    }
  };

  it('gives the receiver every disk byte for byte, whatever happened before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 24 }), async (actions) => {
        const rig = new ScanRig([new TestImage(CHUNK_SPAN + 2 * BLOCK_SIZE + 1000), new TestImage(3 * BLOCK_SIZE)]);
        try {
          for (const done of [...actions, { kind: 'scan' as const, kill: undefined }]) await act(rig, done);
        } finally {
          rig.dispose();
        }
      }),
      { numRuns: 60 },
    );
  }, 600_000);
});
