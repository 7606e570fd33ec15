import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE } from '@holdfast/block';
import { type CutContent, idBytes, idText, ManifestSchema, newId } from '@holdfast/protocol';
import fc from 'fast-check';
import { applyFrames } from '../frames/testing/apply-frames.ts';
import type { Hrl } from '../hrl/hrl.ts';
import { openHrl } from '../hrl/open-hrl.ts';
import type { Continuity, WriteTraceSession } from '../trace/trace.ts';
import type { Capture } from './capture.ts';
import { createSimulatedMachine, sectorIds } from './testing/simulated-machine.ts';
import { createTraceCapture } from './trace-capture.ts';

const DISKS = 3;
/** The disk that is copied while the others are cut. */
const LAST = DISKS - 1;
const machineId = newId();
const manifest = create(ManifestSchema, { id: idBytes(newId()), machineId: idBytes(machineId) });

/** A machine of three disks, its log, and a receiver that compares every closed epoch with the disk at the instant of its cut. */
const createRig = async (seed: number) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-concurrent-'));
  const machine = createSimulatedMachine({
    seed,
    disks: DISKS,
    blocks: 48,
    writers: 3,
    think: 100_000,
    latency: 20_000,
    discardShare: 0.2,
  });
  const ids = machine.sources.map(() => newId());
  const images = machine.sources.map(({ size }) => new Uint8Array(size));
  const open = (): Promise<Hrl> => openHrl({ machineId, directory, quotaBytes: 16 << 20, segmentBytes: 1 << 20 });
  const rig = {
    ids,
    hrl: await open(),
    capture: undefined as unknown as Capture,
    cuts: [] as CutContent['cut'][],
    /** Begins a life of the agent with these disks; a former one is thrown away, as by a SIGKILL. */
    begin: async (disks: readonly (readonly [disk: number, continuity: Continuity])[]): Promise<void> => {
      await rig.capture?.close();
      await rig.hrl.close();
      rig.hrl = await open();
      const continuities = new Map(disks);
      const session = {
        trace: machine.trace,
        attach: ({ minor }) => ({ index: minor, continuity: continuities.get(minor) ?? { kind: 'new' } }),
        sizeOf: () => 0,
        detach: () => undefined,
        confirm: () => undefined,
      } as Partial<WriteTraceSession> as WriteTraceSession;
      rig.capture = createTraceCapture({
        machineId,
        session,
        hrl: rig.hrl,
        bootId: newId(),
        pieceSize: 2 * BLOCK_SIZE,
        manifest: async () => manifest,
        pause: () => turn(),
        limits: { rounds: 10_000, milliseconds: 30_000 },
      });
      for (const [disk] of disks) await rig.attach(disk);
    },
    attach: (disk: number, wasCopied = false) => {
      const { size } = machine.sources[disk]!;
      const device = { path: `/dev/sim${disk}`, name: `sim${disk}`, major: 1, minor: disk, size, logicalBlockSize: 512 };
      const source = machine.sources[disk]!;
      return rig.capture.attach({ id: ids[disk]!, device: { ...device, diskSequence: 1, serial: '' }, source, wasCopied });
    },
    /** Takes what is in the log; throws when a closed epoch is not its disk. */
    receive: async (): Promise<void> => {
      for (const content of [...rig.hrl.committed()]) {
        for (const [index, epoch] of content.cut.epochs.entries()) {
          const disk = ids.indexOf(idText(epoch.diskId));
          const frames: Uint8Array[] = [];
          for await (const frame of content.frames(index)) frames.push(frame);
          await applyFrames(frames, images[disk]!);
          if (epoch.open) continue;
          const wanted = machine.stateAt(disk, Number(epoch.instant!.monotonicNanos) + 0.5);
          if (Buffer.compare(Buffer.from(new Uint32Array(sectorIds(images[disk]!)).buffer), Buffer.from(wanted.buffer)) !== 0)
            throw new Error(`epoch ${epoch.number} of disk ${disk} is not the disk at its instant`);
        }
        rig.cuts.push(content.cut);
        rig.hrl.free(idText(content.cut.id));
      }
    },
    close: async (): Promise<void> => {
      await rig.capture.close();
      await rig.hrl.close();
      rmSync(directory, { recursive: true });
    },
  };
  return rig;
};

type Rig = Awaited<ReturnType<typeof createRig>>;

interface Cut {
  /** Turns of the event loop for which the proposal stays open, so that pieces of the copy are due meanwhile. */
  readonly hold: number;
  readonly end: 'publish' | 'abandon';
}

const cutArbitrary: fc.Arbitrary<Cut> = fc.record({ hold: fc.nat(6), end: fc.constantFrom('publish', 'publish', 'abandon') });

const cut = async ({ capture }: Rig, { hold, end }: Cut): Promise<void> => {
  const proposal = await capture.propose();
  for (let turns = 0; turns < hold; turns += 1) await turn();
  if (end === 'publish') await capture.publish(proposal);
  else await capture.abandon(proposal);
};

const pointsOf = (cuts: Rig['cuts']): NonNullable<CutContent['cut']['point']>[] => cuts.flatMap(({ point }) => point ?? []);

const FIRST_TWO: readonly (readonly [number, Continuity])[] = [
  [0, { kind: 'new' }],
  [1, { kind: 'new' }],
];

describe('a disk that is copied while others are cut', () => {
  it('is named by every point until its first copy is complete, and is a member from then on', async () => {
    let during = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(cutArbitrary, { minLength: 4, maxLength: 10 }), async (seed, cuts) => {
        const rig = await createRig(seed);
        try {
          await rig.begin(FIRST_TWO);
          await rig.capture.copy();
          await rig.attach(LAST);
          const copied = rig.capture.copy();
          for (const one of cuts) await cut(rig, one);
          await copied;
          await cut(rig, { hold: 0, end: 'publish' });
          await rig.receive();
          const points = pointsOf(rig.cuts);
          expect(points).toHaveLength(cuts.filter(({ end }) => end === 'publish').length + 1);
          const isComplete = points.map(({ members, disksNotYetCopied }) => {
            const told = [...members.map(({ diskId }) => idText(diskId)), ...disksNotYetCopied.map(idText)];
            expect(told.sort()).toEqual([...rig.ids].sort());
            return disksNotYetCopied.length === 0;
          });
          expect(isComplete).toEqual([...isComplete].sort());
          expect(isComplete.at(-1)).toBe(true);
          during += isComplete.filter((complete) => !complete).length;
        } finally {
          await rig.close();
        }
      }),
      { numRuns: 25 },
    );
    expect(during).toBeGreaterThan(20);
  });

  it('holds back the points of its machine, not the epochs of the others, when it is resynchronized, also over restarts', async () => {
    let held = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.oneof({ weight: 5, arbitrary: cutArbitrary }, { weight: 1, arbitrary: fc.constant('kill' as const) }), {
          minLength: 4,
          maxLength: 10,
        }),
        async (seed, steps) => {
          const rig = await createRig(seed);
          const all = (last: Continuity): (readonly [number, Continuity])[] =>
            Array.from({ length: DISKS }, (_, disk) => [disk, disk === LAST ? last : { kind: 'continuous' }] as const);
          try {
            await rig.begin([...FIRST_TWO, [LAST, { kind: 'new' }]]);
            await rig.capture.copy();
            await cut(rig, { hold: 0, end: 'publish' });
            await rig.receive();
            const before = rig.cuts.splice(0);
            await rig.begin(all({ kind: 'lost', reason: 'a test' }));
            expect(rig.capture.resynchronizing).toEqual([rig.ids[LAST]]);
            let copied = rig.capture.copy();
            for (const step of steps) {
              if (step === 'kill') {
                const { generationId } = rig.hrl.heads().get(rig.ids[LAST]!)!;
                const begun = generationId !== idText(before.at(-1)!.epochs[LAST]!.generationId);
                await rig.begin(all(begun ? { kind: 'continuous' } : { kind: 'lost', reason: 'a test' }));
                await copied;
                copied = rig.capture.copy();
              } else await cut(rig, step);
            }
            await copied;
            expect(rig.capture.resynchronizing).toEqual([]);
            await cut(rig, { hold: 0, end: 'publish' });
            await rig.receive();
            const whole = rig.cuts.filter(({ epochs }) => epochs.some(({ open }) => !open));
            for (const { point, epochs } of whole) expect(point !== undefined).toBe(epochs.length === DISKS);
            expect(whole.at(-1)!.point!.members).toHaveLength(DISKS);
            expect(pointsOf(rig.cuts).every(({ disksNotYetCopied }) => disksNotYetCopied.length === 0)).toBe(true);
            held += whole.filter(({ point }) => point === undefined).length;
          } finally {
            await rig.close();
          }
        },
      ),
      { numRuns: 25 },
    );
    expect(held).toBeGreaterThan(20);
  });

  it('holds back points too when only the vault knows that it had a state', async () => {
    const rig = await createRig(1);
    try {
      await rig.begin(FIRST_TWO);
      await rig.capture.copy();
      await rig.attach(LAST, true);
      expect(rig.capture.resynchronizing).toEqual([rig.ids[LAST]]);
      expect((await rig.capture.publish(await rig.capture.propose())).cut.point).toBeUndefined();
      await rig.capture.copy();
      expect((await rig.capture.publish(await rig.capture.propose())).cut.point?.members).toHaveLength(DISKS);
    } finally {
      await rig.close();
    }
  });

  it('does not keep a copy waiting for a proposal that is never ended', async () => {
    const rig = await createRig(2);
    try {
      await rig.begin(FIRST_TWO);
      await rig.capture.copy();
      await rig.attach(LAST);
      await rig.capture.propose();
      const stop = new AbortController();
      const stopped = rig.capture.copy({ signal: stop.signal });
      const closed = rig.capture.copy();
      await turn();
      stop.abort();
      await stopped;
      await rig.capture.close();
      await closed;
      expect(rig.hrl.heads().has(rig.ids[LAST]!)).toBe(false);
    } finally {
      await rig.close();
    }
  });
});
