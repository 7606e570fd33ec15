import { BLOCK_SIZE, type BlockSet, createBlockSet, type Extent } from '@holdfast/block';
import type { WriteSink, WriteTrace } from '../../trace/write-trace.ts';
import type { DiskRead, DiskSource } from '../disk-source.ts';

/*
 * A machine in one thread and in no time: disks, writers and the kernel's rings, driven by a seeded random generator. Time passes only
 * while the capture does something, so that every interleaving of its steps with the writers' is reachable and repeats with the seed.
 */

const SECTOR = 512;
const SECTORS_PER_BLOCK = BLOCK_SIZE / SECTOR;

interface SimulatedWrite {
  /** What its sectors hold afterwards; zero for a discard. */
  readonly id: number;
  readonly kind: 'write' | 'discard' | 'failed discard';
  readonly disk: number;
  readonly sector: number;
  readonly sectors: number;
  readonly issued: number;
  readonly completes: number;
  /** When each sector reaches the medium. */
  readonly lands: readonly number[];
  /** What is told of it after its issue; all of its sectors are completed once. */
  readonly steps: readonly Step[];
}

/** The driver puts a write back, issues it again, or completes some of its sectors. */
interface Step {
  readonly kind: 'issued' | 'requeued' | 'completed';
  readonly sector: number;
  readonly sectors: number;
  readonly time: number;
}

interface RingEvent extends Step {
  readonly write: SimulatedWrite;
  /** Not readable before; late events become readable only when the rings are settled. */
  readonly late: boolean;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly disks: number;
  readonly blocks: number;
  readonly writers: number;
  /** Mean nanoseconds between a writer's completion and its next issue. */
  readonly think: number;
  /** Mean nanoseconds a write takes; one in eight takes twenty times as long. */
  readonly latency: number;
  /** Share of events that hide until the rings are settled. */
  readonly lateShare?: number;
  /** The kernel handles the disks without requests: it tells what is queued, and of a write's end parts in any of the ways in which it may. */
  readonly bioBased?: boolean;
  /** Share of writes that are discards of several blocks; one in eight of them fails and changes nothing. */
  readonly discardShare?: number;
  /** Share of requests that the driver puts back and issues again, or completes in two parts. */
  readonly troubledShare?: number;
  /** Disks are never seen without a write under way, as if others wrote all the time; or always, and what was under way over: that is a lie. */
  readonly seenIdle?: 'never' | 'always' | undefined;
}

export interface SimulatedMachine {
  readonly trace: WriteTrace;
  readonly sources: readonly DiskSource[];
  /** Sectors of the disk as they were when exactly the writes completed by `time` had been made: the id of the last write of each. */
  stateAt(disk: number, time: number): Uint32Array;
  /** A disk as it is after a while, when all writes to it that had begun by then are over and no other has begun; and when that is. */
  snapshot(disk: number): { readonly source: DiskSource; readonly time: number };
  /** Number of writes completed by now. */
  readonly completed: number;
  /** Lets about so much time pass. */
  pass(nanoseconds: number): void;
  /** Lets so much time pass, in which nobody begins to write. */
  rest(nanoseconds: number): void;
}

/** The ids that a block's bytes carry, one a sector. */
export const sectorIds = (data: Uint8Array): number[] => {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.length / SECTOR }, (_, index) => view.getUint32(index * SECTOR, true));
};

const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

export const createSimulatedMachine = (options: SimulationOptions): SimulatedMachine => {
  const random = randomFrom(options.seed);
  const between = (mean: number): number => mean * (0.2 + 1.6 * random());
  const rings: RingEvent[][] = [[], [], []];
  const dirty: BlockSet[] = Array.from({ length: options.disks }, () => createBlockSet(options.blocks * BLOCK_SIZE));
  const writes: SimulatedWrite[] = [];
  /** By writer; how many of its steps are over. */
  const active = new Map<number, { readonly write: SimulatedWrite; over: number }>();
  const nextIssue = Array.from({ length: options.writers }, () => between(options.think));
  let clock = 0;
  let completed = 0;
  let tellsIssues = true;

  const ring = (): RingEvent[] => rings[Math.floor(random() * rings.length)]!;
  const late = (): boolean => random() < (options.lateShare ?? 0);

  const issue = (writer: number, time: number): void => {
    const latency = between(options.latency) * (random() < 0.125 ? 20 : 1);
    const place = placeOf(writer);
    const failed = place.kind === 'failed discard';
    const steps = stepsOf(place, time, latency);
    // Of what the driver puts back some may have reached the medium already.
    const endOf = (sector: number): number => steps.find((step) => step.kind === 'completed' && sector < step.sector + step.sectors)!.time;
    const write: SimulatedWrite = {
      ...place,
      id: place.kind === 'write' ? writes.length + 1 : 0,
      issued: time,
      completes: time + latency,
      lands: Array.from({ length: place.sectors }, (_, at) =>
        failed ? Number.POSITIVE_INFINITY : time + (endOf(place.sector + at) - time) * random(),
      ),
      steps,
    };
    // What an active write and a discard have in common would depend on a race: no file system does that.
    const races = (other: SimulatedWrite): boolean =>
      other.disk === write.disk && other.sector < write.sector + write.sectors && write.sector < other.sector + other.sectors;
    if ([...active.values()].some((one) => races(one.write))) {
      nextIssue[writer] = time + between(options.think);
      return;
    }
    writes.push(write);
    active.set(writer, { write, over: 0 });
    tell({ kind: 'issued', sector: write.sector, sectors: write.sectors, time }, write);
  };

  const tell = (step: Step, write: SimulatedWrite): void => {
    if (step.kind !== 'issued' || tellsIssues || options.bioBased === true) ring().push({ ...step, write, late: late() });
  };

  const stepsOf = (
    { kind, sector, sectors }: Pick<SimulatedWrite, 'kind' | 'sector' | 'sectors'>,
    time: number,
    latency: number,
  ): Step[] => {
    const end = { kind: 'completed' as const, time: time + latency };
    const troubled = options.troubledShare !== undefined && options.bioBased !== true && random() < options.troubledShare;
    if (!troubled || kind !== 'write') return [{ ...end, sector, sectors }];
    const middle = time + latency * (0.1 + 0.8 * random());
    if (sectors === 1 || random() < 0.5) {
      const again = middle + (end.time - middle) * random();
      const all = { sector, sectors };
      return [
        { kind: 'requeued', ...all, time: middle },
        { kind: 'issued', ...all, time: again },
        { ...end, ...all },
      ];
    }
    const first = 1 + Math.floor(random() * (sectors - 1));
    return [
      { kind: 'completed', sector, sectors: first, time: middle },
      { ...end, sector: sector + first, sectors: sectors - first },
    ];
  };

  const placeOf = (writer: number): Pick<SimulatedWrite, 'kind' | 'disk' | 'sector' | 'sectors'> => {
    // Each writer has sectors of its own, so that "the last write of a sector" never depends on a race; blocks are shared.
    const disk = Math.floor(random() * options.disks);
    const block = Math.floor(random() * options.blocks);
    const share = Math.max(1, Math.floor(SECTORS_PER_BLOCK / options.writers));
    const sectors = 1 + Math.floor(random() * share);
    if (options.discardShare === undefined || random() >= options.discardShare) {
      // Of a longer one its last part is not all.
      if (options.bioBased === true) return { kind: 'write', disk, ...stretch(block) };
      return { kind: 'write', disk, sector: block * SECTORS_PER_BLOCK + ((writer * share) % SECTORS_PER_BLOCK), sectors };
    }
    return { kind: random() < 0.125 ? 'failed discard' : 'discard', disk, ...stretch(block) };
  };

  /** From the middle of a block to the middle of another. */
  const stretch = (block: number): Pick<SimulatedWrite, 'sector' | 'sectors'> => {
    const sector = block * SECTORS_PER_BLOCK + Math.floor(random() * 3);
    return { sector, sectors: Math.min(Math.ceil(random() * 4 * SECTORS_PER_BLOCK), options.blocks * SECTORS_PER_BLOCK - sector) };
  };

  /** Lets the writers work until `time`, in the order in which things happen. */
  const advance = (nanoseconds: number): void => {
    const end = clock + nanoseconds;
    for (;;) {
      let next = Number.POSITIVE_INFINITY;
      let who = -1;
      for (let writer = 0; writer < options.writers; writer += 1) {
        const current = active.get(writer);
        const time = current?.write.steps[current.over]?.time ?? nextIssue[writer]!;
        if (time < next) [next, who] = [time, writer];
      }
      if (next > end) break;
      const current = active.get(who);
      if (current === undefined) issue(who, next);
      else {
        const { write } = current;
        tell(write.steps[current.over]!, write);
        current.over += 1;
        if (current.over < write.steps.length) continue;
        active.delete(who);
        completed += 1;
        nextIssue[who] = next + between(options.think);
      }
    }
    clock = end;
  };

  /** Writes of a disk that are at the device; not those that the driver has put back. */
  const atDevice = (disk: number): SimulatedWrite[] =>
    [...active.values()]
      .filter(({ write, over }) => write.disk === disk && write.steps[over - 1]?.kind !== 'requeued')
      .map(({ write }) => write);

  const idsNow = (disk: number, sector: number, count: number): Uint32Array => {
    const ids = new Uint32Array(count);
    const landed = new Float64Array(count).fill(-1);
    for (const write of writes) {
      if (write.disk !== disk || write.sector + write.sectors <= sector || write.sector >= sector + count) continue;
      write.lands.forEach((time, index) => {
        const at = write.sector + index - sector;
        if (at < 0 || at >= count || time > clock || time < landed[at]!) return;
        landed[at] = time;
        ids[at] = write.id;
      });
    }
    return ids;
  };

  const deliver = (event: RingEvent, sink: WriteSink): void => {
    const { disk } = event.write;
    const { sector, sectors } = event;
    if (options.bioBased === true) {
      deliverBio(event, sink);
      return;
    }
    if (event.kind === 'completed') dirty[disk]!.addBytes(sector * SECTOR, sectors * SECTOR);
    sink[event.kind](disk, sector * SECTOR, sectors * SECTOR, event.time, event.write.kind === 'discard');
  };

  /** Whole writes end as they began, at their last part, or part by part: which, goes by their place. */
  const deliverBio = ({ kind, write, time }: RingEvent, sink: WriteSink): void => {
    const { disk, sector, sectors } = write;
    if (kind === 'issued') {
      dirty[disk]!.addBytes(sector * SECTOR, sectors * SECTOR);
      sink.queued!(disk, sector * SECTOR, sectors * SECTOR, time, write.kind !== 'write');
      return;
    }
    const way = (sector + sectors) % 3;
    const last = way === 0 ? sectors : Math.ceil(sectors / 2);
    const discarded = write.kind === 'discard';
    if (way === 1 && sectors > last) sink.ended!(disk, sector * SECTOR, (sectors - last) * SECTOR, time, discarded);
    sink.ended!(disk, (sector + sectors - last) * SECTOR, last * SECTOR, time, discarded);
  };

  const trace: WriteTrace = {
    start: 0n,
    now: () => {
      advance(between(200));
      return clock;
    },
    drain: (sink) => {
      for (const events of rings) {
        advance(between(1_000));
        // What is not late is readable up to the first late event of its CPU: a ring is read in order.
        const hidden = events.findIndex((event) => event.late);
        for (const event of events.splice(0, hidden < 0 ? events.length : hidden)) deliver(event, sink);
      }
    },
    settle: () => {
      for (const events of rings) events.splice(0, events.length, ...events.map((event) => ({ ...event, late: false })));
      advance(between(10_000));
    },
    dirty: (disk) => dirty[disk]!,
    tellIssues: (told) => {
      advance(between(10_000));
      tellsIssues = told;
    },
    // As the kernel counts: what the driver has put back is not under way, and holds no tag.
    idle: (disk) => options.seenIdle === 'always' || (options.seenIdle === undefined && atDevice(disk).length === 0),
    underWay: (disk) => {
      let held = atDevice(disk);
      return {
        isOver: () => {
          held = held.filter((write) => atDevice(disk).includes(write));
          return options.seenIdle === 'always' || held.length === 0;
        },
        close: () => undefined,
      };
    },
    verify: () => undefined,
    close: () => undefined,
  };

  /** The sectors are taken at different times, those of several extents in turn: reads are as torn as a device may make them. */
  const readSectors = (disk: number, extents: readonly Extent[]): DiskRead[] => {
    const reads = extents.map(({ length }) => ({ data: new Uint8Array(length), unreadable: [] }));
    const longest = Math.max(...extents.map(({ length }) => length));
    for (let sector = 0; sector < longest / SECTOR; sector += 1) {
      for (const [index, { offset, length }] of extents.entries()) {
        if (sector * SECTOR >= length) continue;
        advance(between(300));
        new DataView(reads[index]!.data.buffer).setUint32(sector * SECTOR, idsNow(disk, offset / SECTOR + sector, 1)[0]!, true);
      }
    }
    return reads;
  };

  const source = (disk: number): DiskSource => ({
    size: options.blocks * BLOCK_SIZE,
    readLimit: 4 * BLOCK_SIZE,
    excluded: () => [],
    grown: () => source(disk),
    read: (offset, length): DiskRead => readSectors(disk, [{ offset, length }])[0]!,
    // Every other disk takes several reads at the same time.
    ...(disk % 2 === 0 ? {} : { readTogether: (extents) => readSectors(disk, extents) }),
  });

  const stateAt = (disk: number, time: number): Uint32Array => {
    const ids = new Uint32Array(options.blocks * SECTORS_PER_BLOCK);
    for (const write of writes.filter((one) => one.disk === disk && one.kind !== 'failed discard')) {
      for (const step of write.steps)
        if (step.kind === 'completed' && step.time <= time) ids.fill(write.id, step.sector, step.sector + step.sectors);
    }
    return ids;
  };

  /** As a device mapper does it: what has begun goes on to its end, what comes meanwhile begins behind it; some comes even before it is told. */
  const snapshot = (disk: number): { source: DiskSource; time: number } => {
    advance(between(options.think));
    const last = Math.max(clock, ...[...active.values()].map(({ write }) => write.completes));
    for (let writer = 0; writer < options.writers; writer += 1) nextIssue[writer] = Math.max(nextIssue[writer]!, last + between(1_000));
    advance(last - clock);
    const [time, state] = [clock, stateAt(disk, clock)];
    advance(between(options.think));
    const read = (offset: number, length: number): DiskRead => {
      advance(between(1_000));
      const data = new Uint8Array(length);
      const view = new DataView(data.buffer);
      for (let at = 0; at < length; at += SECTOR) view.setUint32(at, state[(offset + at) / SECTOR]!, true);
      return { data, unreadable: [] };
    };
    return { time, source: { ...source(disk), read } };
  };

  return {
    trace,
    sources: Array.from({ length: options.disks }, (_, disk) => source(disk)),
    stateAt,
    snapshot,
    get completed() {
      return completed;
    },
    pass: (nanoseconds) => advance(between(nanoseconds)),
    rest: (nanoseconds) => {
      for (let writer = 0; writer < options.writers; writer += 1) nextIssue[writer] = Math.max(nextIssue[writer]!, clock) + nanoseconds;
      advance(nanoseconds);
    },
  };
};
