import { BLOCK_SIZE, createBlockSet } from '@holdfast/block';
import fc from 'fast-check';
import type { WriteSink, WriteTrace } from '../trace/write-trace.ts';
import { createConvergence } from './convergence.ts';
import type { DiskSource } from './disk-source.ts';
import type { RoundDisk } from './rounds.ts';
import { createStaging } from './staging.ts';
import { createSimulatedMachine, type SimulationOptions, sectorIds } from './testing/simulated-machine.ts';

interface Outcome {
  readonly points: number;
  readonly wrong: number;
}

/** Copies the machine while it works, then cuts points; compares every published image with the state at its instant. */
const run = async (options: SimulationOptions, wantedPoints: number, checkConflicts: boolean): Promise<Outcome> => {
  const machine = createSimulatedMachine(options);
  const convergence = createConvergence({ trace: machine.trace, checkConflicts, yield: async () => undefined });
  const images = machine.sources.map((source) => new Uint8Array(source.size));
  for (const [index, source] of machine.sources.entries()) convergence.add(index, source, options.bioBased);

  const disks = (): (RoundDisk & { image: Uint8Array })[] =>
    machine.sources.map((source, index) => ({
      index,
      staging: createStaging(source.size),
      spill: async () => undefined,
      image: images[index]!,
    }));
  const apply = async (members: ReturnType<typeof disks>): Promise<void> => {
    for (const { staging, image } of members) {
      const put = async (offset: number, data: Uint8Array): Promise<void> => image.set(data, offset);
      await staging.flush({
        add: put,
        addZero: async (offset, length) => void image.fill(0, offset, offset + length),
        addUnreadable: async () => undefined,
        finish: () => Promise.reject(),
      });
    }
  };

  for (const [index, source] of machine.sources.entries()) {
    for (let offset = 0; offset < source.size; offset += 8 * BLOCK_SIZE) {
      const piece = disks().filter((disk) => disk.index === index);
      await convergence.readRange(piece[0]!, { offset, length: Math.min(8 * BLOCK_SIZE, source.size - offset) });
      await apply(piece);
      convergence.committed(piece, false);
    }
  }

  let points = 0;
  let wrong = 0;
  let members = disks();
  for (let rounds = 0; points < wantedPoints && rounds < wantedPoints * 20; rounds += 1) {
    if (!(await convergence.round(members)).exact) continue;
    await apply(members);
    convergence.committed(members, true);
    points += 1;
    const exact = members.every(
      ({ index, image }) =>
        Buffer.compare(
          Buffer.from(new Uint32Array(sectorIds(image)).buffer),
          Buffer.from(machine.stateAt(index, convergence.instant).buffer),
        ) === 0,
    );
    if (!exact) wrong += 1;
    members = disks();
  }
  return { points, wrong };
};

const options = fc.record({
  seed: fc.nat(),
  disks: fc.integer({ min: 1, max: 3 }),
  blocks: fc.integer({ min: 8, max: 48 }),
  writers: fc.integer({ min: 1, max: 4 }),
  think: fc.constantFrom(20_000, 100_000, 400_000),
  latency: fc.constantFrom(3_000, 20_000, 100_000),
  lateShare: fc.constantFrom(0, 0.01, 0.1),
  discardShare: fc.constantFrom(0, 0.1, 0.4),
  bioBased: fc.boolean(),
});

describe('convergence', () => {
  test('every published cut is exactly the disks at its instant', async () => {
    let points = 0;
    await fc.assert(
      fc.asyncProperty(options, async (simulation) => {
        const outcome = await run(simulation, 12, true);
        points += outcome.points;
        expect(outcome.wrong).toBe(0);
      }),
      { numRuns: 150 },
    );
    expect(points).toBeGreaterThan(300);
  });

  test('without the conflict check the same oracle finds wrong cuts', async () => {
    let wrong = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      wrong += (await run({ seed, disks: 2, blocks: 24, writers: 3, think: 20_000, latency: 20_000 }, 12, false)).wrong;
    }
    expect(wrong).toBeGreaterThan(0);
  });
});

const SIZE = 4 * BLOCK_SIZE;

/** A disk whose trace tells what the test has put into it. */
const createScriptedRig = () => {
  const told: ((sink: WriteSink) => void)[] = [];
  const dirty = createBlockSet(SIZE);
  const reads: number[] = [];
  let clock = 0;
  const trace: WriteTrace = {
    start: 0n,
    now: () => (clock += 1e9),
    drain: (sink) => {
      for (const tell of told.splice(0)) tell(sink);
    },
    settle: () => undefined,
    dirty: () => dirty,
    idle: () => true,
    verify: () => undefined,
    close: () => undefined,
  };
  const convergence = createConvergence({ trace, yield: async () => undefined });
  const source: DiskSource = {
    size: SIZE,
    readLimit: SIZE,
    excluded: () => [],
    grown: () => source,
    read: (offset: number, length: number) => {
      reads.push(offset / BLOCK_SIZE);
      return { data: new Uint8Array(length), unreadable: [] };
    },
  };
  convergence.add(0, source);
  const member = (): RoundDisk => ({ index: 0, staging: createStaging(2 * SIZE), spill: async () => undefined });
  /** Tells of a write that completed at `time`, or a discard. */
  const write = (time: number, offset = 0, discarded = false): void => {
    told.push((sink) => {
      sink.issued(0, offset, BLOCK_SIZE, time - 1);
      sink.completed(0, offset, BLOCK_SIZE, time, discarded);
    });
  };
  return { convergence, source, reads, member, tell: (one: (sink: WriteSink) => void) => void told.push(one), write, now: () => clock };
};

const exactCut = async ({ convergence, member }: ReturnType<typeof createScriptedRig>): Promise<RoundDisk> => {
  for (;;) {
    const disk = member();
    if ((await convergence.round([disk])).exact) return disk;
  }
};

describe('a write that the kernel tells of late', () => {
  test('ends everything when it belongs to a published cut', async () => {
    const rig = createScriptedRig();
    const before = rig.now();
    rig.convergence.committed([await exactCut(rig)], true);
    rig.write(before + 1);
    expect(() => rig.convergence.drain()).toThrow(/CONTINUITY_LOST/);
  });

  test('is read with the next cut when that one was abandoned', async () => {
    const rig = createScriptedRig();
    const before = rig.now();
    rig.convergence.abandoned([await exactCut(rig)]);
    rig.write(before + 1);
    rig.convergence.drain();
    expect(rig.convergence.pending(0)).toBe(1);
  });

  test('is read with the next piece of a copy when it belongs to one before', async () => {
    const rig = createScriptedRig();
    const reads = [
      (disk: RoundDisk) => rig.convergence.readRange(disk, { offset: 0, length: SIZE }),
      (disk: RoundDisk) => rig.convergence.readChanges(disk),
    ];
    for (const read of reads) {
      const before = rig.now();
      const disk = rig.member();
      await read(disk);
      rig.convergence.committed([disk], false);
      rig.write(before + 1);
      rig.convergence.drain();
      expect(rig.convergence.pending(0)).toBe(1);
    }
  });
});

test('writes behind the old end of a disk that grew are taken in, whenever they are told', async () => {
  const { convergence, source, member, write, now } = createScriptedRig();
  write(now() + 1);
  convergence.drain();
  convergence.grow(0, { ...source, size: 2 * SIZE });
  write(now() + 1, SIZE + BLOCK_SIZE);
  convergence.drain();
  expect(convergence.pending(0)).toBe(2);
  const disk = member();
  await convergence.readChanges(disk);
  expect([...disk.staging.blocks.runs()].map(({ first }) => first)).toEqual([0, 5]);
});

test('discarded blocks are not read, also not after an abandoned cut', async () => {
  const rig = createScriptedRig();
  const { convergence, reads, write, now } = rig;
  await exactCut(rig);
  write(now() + 1, 0, true);
  write(now() + 2, BLOCK_SIZE);
  write(now() + 3, 2 * BLOCK_SIZE, true);
  write(now() + 4, 2 * BLOCK_SIZE);
  for (const last of [false, true]) {
    const disk = await exactCut(rig);
    expect([...disk.staging.blocks.runs()]).toEqual([{ first: 0, count: 3 }]);
    expect(reads.splice(0)).toEqual([1]);
    if (!last) convergence.abandoned([disk]);
    else convergence.committed([disk], true);
  }
});

test('ranges discarded together are zeroes once they are over, but for what was written since', async () => {
  const rig = createScriptedRig();
  const { convergence, reads, tell, write, now } = rig;
  convergence.committed([await exactCut(rig)], true);
  const end = (length: number, time: number): void => tell((sink) => sink.discardEnded!(0, length, time, true));
  const start = now();
  for (const block of [0, 1, 2]) tell((sink) => sink.discardQueued!(0, block * BLOCK_SIZE, BLOCK_SIZE, start + 1));
  end(2 * BLOCK_SIZE, start + 2);
  write(now() + 3, BLOCK_SIZE);
  reads.splice(0);
  const first = await exactCut(rig);
  // The second is not over for sure, nor are the others.
  expect([...first.staging.blocks.runs()]).toEqual([{ first: 1, count: 1 }]);
  convergence.committed([first], true);
  end(BLOCK_SIZE, now() + 1);
  reads.splice(0);
  const second = await exactCut(rig);
  expect([...second.staging.blocks.runs()]).toEqual([{ first: 0, count: 3 }]);
  expect(reads).toEqual([1]);
});
