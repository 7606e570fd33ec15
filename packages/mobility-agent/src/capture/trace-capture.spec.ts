import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, coarsen, knownDigests, openFrame, parseFrame } from '@holdfast/block';
import { type CutContent, idBytes, idText, type Manifest, ManifestSchema, newId } from '@holdfast/protocol';
import fc from 'fast-check';
import type { Hrl } from '../hrl/hrl.ts';
import { openHrl } from '../hrl/open-hrl.ts';
import type { Continuity, WriteTraceSession } from '../trace/trace.ts';
import type { Capture } from './capture.ts';
import type { CopyingOptions } from './copying.ts';
import type { DiskSource } from './disk-source.ts';
import { createSimulatedMachine, type SimulatedMachine, sectorIds } from './testing/simulated-machine.ts';
import { createTraceCapture } from './trace-capture.ts';

const machineId = newId();
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });

/** Simulated time passes while the capture works, not while it waits. */
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Writes what the frames of a cut hold into the images of its disks. */
const applyFrames = async (content: CutContent, imageOf: (diskId: string) => Uint8Array): Promise<void> => {
  for (const [index, epoch] of content.cut.epochs.entries()) {
    const image = imageOf(idText(epoch.diskId));
    for await (const bytes of content.frames(index)) {
      const frame = parseFrame(bytes);
      const data = await openFrame(frame);
      let at = 0;
      for (const { offset, length, kind } of frame.extents) {
        image.fill(0, offset, offset + length);
        if (kind !== 'data') continue;
        image.set(data.subarray(at, at + length), offset);
        at += length;
      }
    }
  }
};

/** The vault's side: applies cuts, and at each point compares the disks with what the machine was at that instant. */
const createReceiver = (machine: SimulatedMachine, diskIds: readonly string[]) => {
  const images = new Map(diskIds.map((id, index) => [id, new Uint8Array(machine.sources[index]!.size)]));
  const verdicts: boolean[] = [];
  return {
    verdicts,
    receive: async (content: CutContent): Promise<void> => {
      const { cut } = content;
      await applyFrames(content, (diskId) => images.get(diskId)!);
      if (cut.point === undefined) return;
      const instant = Number(cut.point.instant!.monotonicNanos) + 0.5;
      verdicts.push(
        diskIds.every(
          (id, index) =>
            Buffer.compare(
              Buffer.from(new Uint32Array(sectorIds(images.get(id)!)).buffer),
              Buffer.from(machine.stateAt(index, instant).buffer),
            ) === 0,
        ),
      );
    },
  };
};

type Step = 'piece' | 'cut' | 'abandon' | 'rest' | 'kill' | 'kill with a proposal open';

/** Lives of an agent over one machine: every kill throws the capture away, as a SIGKILL does, and leaves trace and `.hrl`. */
const run = async (seed: number, disks: number, steps: readonly Step[], bioBased = false): Promise<readonly boolean[]> => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-capture-'));
  // Longer writes are in each other's way more often.
  const load = { disks, blocks: 24, writers: 3, think: 100_000, latency: bioBased ? 8_000 : 20_000, discardShare: 0.2 };
  const machine = createSimulatedMachine({ seed, ...load, bioBased });
  const ids = machine.sources.map(() => newId());
  const receiver = createReceiver(machine, ids);
  const open = (): Promise<Hrl> => openHrl({ machineId, directory, quotaBytes: 4 * 1024 * 1024, segmentBytes: 1024 * 1024 });
  let hrl = await open();
  let continuity: Continuity = { kind: 'new' };

  const begin = async (): Promise<Capture> => {
    const session: WriteTraceSession = {
      trace: machine.trace,
      attach: (device) => ({ index: device.minor, continuity }),
      sizeOf: () => 0,
      grow: () => undefined,
      detach: () => undefined,
      confirm: () => undefined,
      detachOthers: () => undefined,
      destroy: () => undefined,
    };
    const capture = createTraceCapture({
      // Simulated time passes slowly: a slow write outlasts many rounds.
      pause,
      limits: { rounds: 10_000, milliseconds: 30_000 },
      machineId,
      session,
      hrl,
      bootId: newId(),
      pieceSize: 8 * BLOCK_SIZE,
      manifest: async () => manifest,
    });
    for (const [index, source] of machine.sources.entries()) {
      const device = {
        path: `/dev/sim${index}`,
        name: `sim${index}`,
        major: 1,
        minor: index,
        size: source.size,
        logicalBlockSize: 512,
        diskSequence: 1,
        serial: '',
        bioBased,
      };
      await capture.attach({ id: ids[index]!, device, source });
    }
    continuity = { kind: 'continuous' };
    return capture;
  };
  const send = async (): Promise<void> => {
    for (const content of [...hrl.committed()]) {
      await receiver.receive(content);
      hrl.free(idText(content.cut.id));
    }
  };

  let capture = await begin();
  try {
    for (const step of steps) {
      if (step === 'piece') {
        const stop = new AbortController();
        await capture.copy({ signal: stop.signal, onProgress: () => stop.abort() });
      } else if (step === 'rest') {
        machine.rest(2e9);
      } else if (step !== 'kill') {
        await capture.copy();
        const proposal = await capture.propose();
        if (step === 'cut') await capture.publish(proposal);
        if (step === 'abandon') await capture.abandon(proposal);
      }
      if (step.startsWith('kill')) {
        await capture.close();
        await hrl.close();
        hrl = await open();
        capture = await begin();
      }
      await send();
    }
  } finally {
    await capture.close();
    await hrl.close();
    rmSync(directory, { recursive: true });
  }
  return receiver.verdicts;
};

/** One quiet disk and a capture of it, whose source can be bent. */
const createRig = async (bend: (good: DiskSource) => DiskSource, describe: () => Promise<Manifest> = async () => manifest) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-capture-'));
  const machine = createSimulatedMachine({ seed: 1, disks: 1, blocks: 24, writers: 1, think: 30_000, latency: 3_000 });
  const hrl = await openHrl({ machineId, directory, quotaBytes: 4 * 1024 * 1024, segmentBytes: 1024 * 1024 });
  const source = bend(machine.sources[0]!);
  const session: WriteTraceSession = {
    trace: machine.trace,
    attach: () => ({ index: 0, continuity: { kind: 'new' } }),
    sizeOf: () => 0,
    grow: () => undefined,
    confirm: () => undefined,
    detach: () => undefined,
    detachOthers: () => undefined,
    destroy: () => undefined,
  };
  const limits = { rounds: 10_000, milliseconds: 30_000 };
  const capture = createTraceCapture({ machineId, session, hrl, bootId: newId(), manifest: describe, pause, limits });
  const device = {
    path: '/dev/sim0',
    name: 'sim0',
    major: 1,
    minor: 0,
    size: source.size,
    logicalBlockSize: 512,
    diskSequence: 1,
    serial: '',
  };
  const id = newId();
  await capture.attach({ id, device, source });
  await capture.copy();
  return {
    id,
    machine,
    capture,
    hrl,
    cut: async (): Promise<CutContent> => capture.publish(await capture.propose()),
    close: async (): Promise<void> => {
      await capture.close();
      await hrl.close();
      rmSync(directory, { recursive: true });
    },
  };
};

describe('trace capture', () => {
  test('every point is the machine at its instant, through copies, abandoned cuts and kills', async () => {
    const step = fc.constantFrom<Step>('piece', 'cut', 'cut', 'abandon', 'rest', 'kill', 'kill with a proposal open');
    let points = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { minLength: 3, maxLength: 12 }),
        fc.boolean(),
        async (seed, disks, steps, bioBased) => {
          const verdicts = await run(seed, disks, [...steps, 'cut'], bioBased);
          points += verdicts.length;
          expect(verdicts).not.toContain(false);
          expect(verdicts.length).toBe(steps.filter((one) => one === 'cut').length + 1);
        },
      ),
      { numRuns: 24 },
    );
    expect(points).toBeGreaterThan(45);
  });

  test('a point says what of its disks could not be read, as long as it cannot', async () => {
    const bad = { offset: 5 * BLOCK_SIZE, length: BLOCK_SIZE };
    let failing = true;
    const rig = await createRig((good) => ({
      ...good,
      read: (offset, length) => ({
        ...good.read(offset, length),
        unreadable: failing && offset <= bad.offset && offset + length > bad.offset ? [bad] : [],
      }),
    }));
    try {
      const missing = async (): Promise<number> => Number((await rig.cut()).cut.point!.unreadableBytes);
      expect(await missing()).toBe(BLOCK_SIZE);
      expect(await missing()).toBe(BLOCK_SIZE);
      failing = false;
      expect(await missing()).toBe(0);
      expect(await missing()).toBe(0);
    } finally {
      await rig.close();
    }
  });

  test("the agent's own blocks are zeroes, and are read when they are not its own any more, also after an abandoned cut", async () => {
    let own = [{ offset: 3 * BLOCK_SIZE, length: 3 * BLOCK_SIZE }];
    const rig = await createRig((good) => ({ ...good, excluded: () => own }));
    try {
      const image = new Uint8Array(24 * BLOCK_SIZE);
      /** Blocks of the newest point that are not what the machine was at its instant. */
      const differing = async (): Promise<number[]> => {
        const content = await rig.cut();
        for (const one of rig.hrl.committed()) await applyFrames(one, () => image);
        for (const one of [...rig.hrl.committed()]) rig.hrl.free(idText(one.cut.id));
        const wanted = rig.machine.stateAt(0, Number(content.cut.point!.instant!.monotonicNanos) + 0.5);
        const found = sectorIds(image);
        return Array.from({ length: 24 }, (_, block) => block).filter((block) =>
          found.slice(block * 8, block * 8 + 8).some((id, at) => id !== wanted[block * 8 + at]),
        );
      };
      const isZero = (block: number): boolean => image.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE).every((byte) => byte === 0);
      while (rig.machine.completed < 200) rig.machine.trace.now();
      expect(await differing()).toEqual([3, 4, 5]);
      expect([3, 4, 5].every(isZero)).toBe(true);
      await rig.capture.abandon(await rig.capture.propose());
      own = [{ offset: 9 * BLOCK_SIZE, length: BLOCK_SIZE }];
      expect(await differing()).toEqual([9]);
      expect(isZero(9)).toBe(true);
      own = [];
      expect(await differing()).toEqual([]);
    } finally {
      await rig.close();
    }
  });

  test('a file of the agent that goes away in the middle of a resynchronization leaves no zeroes behind', async () => {
    const [OWN, SIZE] = [20, 24 * BLOCK_SIZE];
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-capture-'));
    const machine = createSimulatedMachine({ seed: 7, disks: 1, blocks: 24, writers: 1, think: 3_000_000, latency: 3_000 });
    const hrl = await openHrl({ machineId, directory, quotaBytes: 4 * 1024 * 1024, segmentBytes: 1024 * 1024 });
    const session = {
      trace: machine.trace,
      attach: () => ({ index: 0, continuity: { kind: 'new' } }),
      sizeOf: () => 0,
      confirm: () => undefined,
      detach: () => undefined,
    } as Partial<WriteTraceSession> as WriteTraceSession;
    let own: { offset: number; length: number }[] = [];
    const source: DiskSource = { ...machine.sources[0]!, excluded: () => own };
    const device = { path: '/dev/sim0', name: 'sim0', major: 1, minor: 0, size: SIZE, logicalBlockSize: 512, diskSequence: 1, serial: '' };
    const id = newId();
    const image = new Uint8Array(SIZE);
    const begin = async (digests?: CopyingOptions['digests']): Promise<Capture> => {
      const common = { machineId, session, hrl, bootId: newId(), manifest: async () => manifest, pause, pieceSize: BLOCK_SIZE };
      const capture = createTraceCapture({ ...common, limits: { rounds: 10_000, milliseconds: 30_000 }, ...(digests && { digests }) });
      await capture.attach({ id, device, source });
      return capture;
    };
    const cut = async (capture: Capture): Promise<Uint32Array> => {
      const content = await capture.publish(await capture.propose());
      for (const one of [...hrl.committed()]) {
        await applyFrames(one, () => image);
        hrl.free(idText(one.cut.id));
      }
      return machine.stateAt(0, Number(content.cut.point!.instant!.monotonicNanos) + 0.5);
    };
    try {
      while (machine.completed < 200) machine.trace.now();
      const first = await begin();
      await first.copy();
      await cut(first);
      await first.close();
      const known = knownDigests(Uint8Array.from(image));
      const fine = ({ offset }: { offset: number }) => ({ digests: known.subarray((offset / BLOCK_SIZE) * 16), size: SIZE });
      const second = await begin(() => ({
        fine: async (range) => fine(range),
        coarse: async () => ({ digests: coarsen(known), size: SIZE }),
      }));
      own = [{ offset: OWN * BLOCK_SIZE, length: BLOCK_SIZE }];
      const covered: number[] = [];
      await second.copy({
        onProgress: ({ done }) => {
          covered.push(done);
          own = [];
        },
      });
      // The file was told of as zeroes before it came to its blocks.
      expect(covered[0]).toBeLessThanOrEqual(OWN * BLOCK_SIZE);
      const wanted = await cut(second);
      expect(Buffer.from(new Uint32Array(sectorIds(image)).buffer)).toEqual(Buffer.from(wanted.buffer));
      expect(image.subarray(OWN * BLOCK_SIZE, (OWN + 1) * BLOCK_SIZE).some((byte) => byte !== 0)).toBe(true);
      await second.close();
    } finally {
      await hrl.close();
      rmSync(directory, { recursive: true });
    }
  });

  test('a manifest that cannot be had costs its cut and nothing else', async () => {
    let failing = false;
    const rig = await createRig(
      (good) => good,
      async () => {
        if (failing) throw new Error('no manifest');
        return manifest;
      },
    );
    try {
      failing = true;
      await expect(rig.cut()).rejects.toThrow('no manifest');
      failing = false;
      expect((await rig.cut()).cut.point).toBeDefined();
    } finally {
      await rig.close();
    }
  });

  test('nothing is cut before a disk has been copied', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-capture-'));
    const machine = createSimulatedMachine({ seed: 1, disks: 1, blocks: 24, writers: 1, think: 30_000, latency: 3_000 });
    const hrl = await openHrl({ machineId, directory, quotaBytes: 4 * 1024 * 1024, segmentBytes: 1024 * 1024 });
    const session = { trace: machine.trace } as WriteTraceSession;
    const capture = createTraceCapture({ machineId, session, hrl, bootId: newId(), manifest: async () => manifest });
    await expect(capture.propose()).rejects.toThrow(/no disk has been copied/);
    await expect(capture.propose()).rejects.toThrow(/no disk has been copied/);
    await capture.close();
    await hrl.close();
    rmSync(directory, { recursive: true });
  });
});
