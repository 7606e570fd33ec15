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
const run = async (
  options: SimulationOptions & { readonly silent?: boolean },
  wantedPoints: number,
  checkConflicts: boolean,
): Promise<Outcome> => {
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
      await staging.flush({
        add: () => Promise.reject(),
        addAll: async (parts) => parts.forEach(({ offset, data }) => void image.set(data, offset)),
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
  for (let rounds = 0; points < wantedPoints && rounds < wantedPoints * (options.silent === true ? 200 : 20); rounds += 1) {
    if (!(await convergence.round(members)).exact) continue;
    await apply(members);
    convergence.committed(members, true);
    points += 1;
    if (options.silent === true) {
      convergence.silenceIssues();
      // As long as it takes until the next cut; rings are emptied now and then.
      for (let drains = 0; drains < 5; drains += 1) {
        machine.pass(20_000);
        convergence.drain();
      }
    }
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
  silent: fc.boolean(),
  seenIdle: fc.constantFrom(undefined, 'never' as const),
});

/** Disks whose driver puts requests back, or completes them in two parts, all the time: rounds meet the middle of one. */
const troubled = options.map((one) => ({
  ...one,
  ...{ blocks: 4, writers: 2, think: 200_000, latency: 100_000, discardShare: 0, bioBased: false, troubledShare: 1 },
}));

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

  test('every published cut is exactly the disks at its instant, whatever the driver puts back or completes in parts', async () => {
    let points = 0;
    await fc.assert(
      fc.asyncProperty(troubled, async (simulation) => {
        const outcome = await run(simulation, 12, true);
        points += outcome.points;
        expect(outcome.wrong).toBe(0);
      }),
      { numRuns: 200 },
    );
    expect(points).toBeGreaterThan(250);
  });

  test('a discard that is told late is part of the cut it belongs to', async () => {
    const late = { seed: 14, disks: 1, blocks: 41, writers: 4, think: 100_000, latency: 100_000, lateShare: 0.1, discardShare: 0.4 };
    expect((await run({ ...late, bioBased: true }, 12, true)).wrong).toBe(0);
  });

  const busy = { disks: 2, blocks: 12, writers: 3, think: 1_000_000, latency: 300_000, silent: true };

  test('writes that began while issues were not told of spoil no cut, of disks that are never idle either', async () => {
    let points = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const outcome = await run({ ...busy, seed, seenIdle: 'never', troubledShare: 0.2 }, 12, true);
      points += outcome.points;
      expect(outcome.wrong).toBe(0);
    }
    expect(points).toBeGreaterThan(100);
  });

  test('whoever did not wait until they are over would publish wrong cuts', async () => {
    let wrong = 0;
    for (let seed = 1; seed <= 40; seed += 1) wrong += (await run({ ...busy, seed, seenIdle: 'always' }, 12, true)).wrong;
    expect(wrong).toBeGreaterThan(0);
  });

  test('without the conflict check the same oracle finds wrong cuts', async () => {
    let wrong = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      wrong += (await run({ seed, disks: 2, blocks: 24, writers: 3, think: 20_000, latency: 20_000 }, 12, false)).wrong;
    }
    expect(wrong).toBeGreaterThan(0);
  });
});

/** Points of one disk by turns out of rounds that did not converge and a snapshot; `stale`: that was made before it was asked for. */
const runSnapshots = async (options: SimulationOptions, wanted: number, stale: boolean): Promise<Outcome> => {
  const machine = createSimulatedMachine(options);
  const convergence = createConvergence({ trace: machine.trace, yield: async () => undefined });
  const [source] = machine.sources;
  convergence.add(0, source!, options.bioBased);
  const image = new Uint8Array(source!.size);
  const member = (): RoundDisk => ({ index: 0, staging: createStaging(source!.size), spill: async () => undefined });
  const commit = async (disk: RoundDisk, isExact: boolean): Promise<void> => {
    await disk.staging.flush({
      add: () => Promise.reject(),
      addAll: async (parts) => parts.forEach(({ offset, data }) => void image.set(data, offset)),
      addZero: async (offset, length) => void image.fill(0, offset, offset + length),
      addUnreadable: async () => undefined,
      finish: () => Promise.reject(),
    });
    convergence.committed([disk], isExact);
  };
  const copy = member();
  await convergence.readRange(copy, { offset: 0, length: source!.size });
  await commit(copy, false);
  let points = 0;
  let wrong = 0;
  for (let point = 0; point < wanted; point += 1) {
    const disk = member();
    let early = stale ? machine.snapshot(0) : undefined;
    if (early !== undefined) machine.rest(0);
    for (let rounds = point % 3; rounds > 0; rounds -= 1) if ((await convergence.round([disk])).exact) break;
    let taken = { source: source!, time: 0 };
    const take = async (): Promise<DiskSource> => {
      taken = early ?? machine.snapshot(0);
      early = undefined;
      return taken.source;
    };
    // Where there is never a moment without a write, some may be from before it began.
    for (let tries = 0; !(await convergence.snapshotRound(disk, take)).exact; tries += 1) if (tries > 10) return { points, wrong };
    points += 1;
    await commit(disk, true);
    const expected = machine.stateAt(0, taken.time);
    if (Buffer.compare(Buffer.from(new Uint32Array(sectorIds(image)).buffer), Buffer.from(expected.buffer)) !== 0) wrong += 1;
  }
  return { points, wrong };
};

describe('a cut out of a snapshot', () => {
  test('is exactly the disk at the instant of the snapshot, whatever is written before and behind it', async () => {
    const simulation = options.map((one) => ({ ...one, disks: 1 }));
    let points = 0;
    const property = fc.asyncProperty(simulation, async (one) => {
      const outcome = await runSnapshots(one, 9, false);
      points += outcome.points;
      expect(outcome.wrong).toBe(0);
    });
    await fc.assert(property, { numRuns: 100 });
    expect(points).toBeGreaterThan(200);
  });

  test('is found wrong when the snapshot is older than what was asked for', async () => {
    let wrong = 0;
    for (let seed = 1; seed <= 10; seed += 1)
      wrong += (await runSnapshots({ seed, disks: 1, blocks: 24, writers: 3, think: 20_000, latency: 20_000 }, 9, true)).wrong;
    expect(wrong).toBeGreaterThan(0);
  });

  test('is none when the snapshot cannot be read, and what it was to hold goes into the next', async () => {
    const rig = createScriptedRig();
    rig.convergence.committed([await exactCut(rig)], true);
    rig.write(rig.now() + 1);
    const lost: DiskSource = {
      ...rig.source,
      read: (offset, length) => ({ data: new Uint8Array(length), unreadable: [{ offset, length }] }),
    };
    const disk = rig.member();
    expect(await rig.convergence.snapshotRound(disk, async () => lost)).toMatchObject({ exact: false, reason: /too little room/ });
    expect((await exactCut(rig)).staging.blocks.size).toBe(1);
  });

  test('has a bad block of the disk as every cut has it', async () => {
    const rig = createScriptedRig();
    rig.convergence.committed([await exactCut(rig)], true);
    rig.write(rig.now() + 1);
    rig.convergence.drain();
    const bad: DiskSource = {
      ...rig.source,
      read: (offset, length) => ({ data: new Uint8Array(length), unreadable: offset === 0 ? [{ offset, length: BLOCK_SIZE }] : [] }),
    };
    const disk = rig.member();
    expect(await rig.convergence.snapshotRound(disk, async () => bad)).toMatchObject({ exact: true });
    expect([...disk.staging.unreadable.runs()]).toEqual([{ first: 0, count: 1 }]);
    rig.convergence.committed([disk], true);
    // Each cut tries it again.
    expect((await exactCut(rig)).staging.blocks.size).toBe(1);
  });

  test('is none when its room ran out while the last of it was read, which may be newer then', async () => {
    const rig = createScriptedRig();
    rig.convergence.committed([await exactCut(rig)], true);
    rig.write(rig.now() + 1);
    let reads = 0;
    const full: DiskSource = {
      ...rig.source,
      read: (offset, length) => {
        reads += 1;
        return { data: new Uint8Array(length), unreadable: reads > 1 ? [{ offset, length }] : [] };
      },
    };
    const disk = rig.member();
    expect(await rig.convergence.snapshotRound(disk, async () => full)).toMatchObject({ exact: false, reason: /too little room/ });
    rig.convergence.abandoned([disk]);
    expect((await exactCut(rig)).staging.blocks.size).toBe(1);
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
    tellIssues: () => undefined,
    idle: () => true,
    underWay: () => ({ isOver: () => true, close: () => undefined }),
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
