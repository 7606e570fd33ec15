import { mkdtempSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BlockSet, createBlockSet } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import fc from 'fast-check';
import { type MemoryFolder, openMemoryFolder } from './memory-file.ts';
import { timeBase } from './ring-page.ts';
import { createRingReader, type RingReader } from './ring-reader.ts';
import { secondsAsleep } from './sleep.ts';
import { createFakeRings, type FakeCommand, type FakeEvent, type FakeRings, PAGE } from './testing/fake-instance.ts';
import { createTrackingMemory, openTrackingMemory, type TrackingMemory } from './tracking-memory.ts';
import type { WriteSink } from './write-trace.ts';

const CPUS = 3;
const DISKS = [
  { major: 7, minor: 0, size: 64 * 4096, diskSequence: 5, serial: 'first' },
  { major: 7, minor: 1, size: 2 ** 20, diskSequence: 6, serial: '' },
];
const DEVICES = [7 * 2 ** 20, 7 * 2 ** 20 + 1];
const MACHINE = '0123456789abcdef0123456789abcdef';

const silent: WriteSink = { issued: () => {}, requeued: () => {}, completed: () => {} };

let rings: FakeRings;
let directory: string;
let folder: MemoryFolder;

const start = (): void => {
  rings = createFakeRings(CPUS);
  directory = mkdtempSync(join(tmpdir(), 'holdfast-memory-'));
  folder = openMemoryFolder(directory, 'state-of-test');
};

const stop = (): void => {
  folder.close();
  rings.remove();
  rmSync(directory, { recursive: true });
};

const firstProcess = (): { memory: TrackingMemory; reader: RingReader } => {
  const memory = createTrackingMemory(folder, {
    machineId: MACHINE,
    cpus: CPUS,
    subBufferBytes: PAGE,
    kilobytes: '64',
    asleep: secondsAsleep(),
  });
  for (const [index, disk] of DISKS.entries()) memory.disks.fill(index, disk);
  memory.markUsed();
  return { memory, reader: follow(memory, true) };
};

const follow = (memory: TrackingMemory, fresh: boolean): RingReader => {
  const reader = createRingReader(rings.instance, memory, timeBase(0n));
  for (const [index, device] of DEVICES.entries())
    reader.follow(index, { device, gathersDiscards: false, bioBased: false, passThrough: undefined }, memory.dirty(index, fresh), true);
  return reader;
};

/** What a process that starts after the former was killed finds. */
const nextProcess = (recover = true): { memory: TrackingMemory; reader: RingReader; gap: string | undefined } => {
  folder.close();
  folder = openMemoryFolder(directory, 'state-of-test');
  const memory = openTrackingMemory(folder, MACHINE) as TrackingMemory;
  const reader = follow(memory, false);
  return { memory, reader, gap: recover ? reader.recover() : undefined };
};

const blocks = (set: BlockSet): number[] => Array.from({ length: set.blocks }, (_, block) => block).filter((block) => set.has(block));

const event = fc.record<FakeEvent>({
  event: fc.constantFrom('issue', 'complete', 'complete', 'requeue', 'foreign'),
  device: fc.constantFrom(...DEVICES, 99),
  sector: fc.oneof(fc.nat(64 * 8), fc.constant(2 ** 33)),
  sectors: fc.nat(64),
  delta: fc.nat(1000),
});
const page = fc.array(event, { maxLength: 40 });
const content = fc.array(fc.array(page, { maxLength: 4 }), { minLength: CPUS, maxLength: CPUS });

/** What a trace of these events must hold, by plain means. */
const expectation = (all: readonly (readonly (readonly FakeEvent[])[])[]): { dirty: number[][]; sectors: number[] } => {
  const sets = DISKS.map(({ size }) => createBlockSet(size));
  const sectors = DISKS.map(() => 0);
  for (const { event: kind, device, sector, sectors: count } of all.flat(2)) {
    const disk = DEVICES.indexOf(device);
    if (kind !== 'complete' || disk < 0) continue;
    sets[disk]!.addBytes(sector * 512, count * 512);
    sectors[disk]! += count;
  }
  return { dirty: sets.map(blocks), sectors };
};

const held = (memory: TrackingMemory, reader: RingReader): { dirty: number[][]; sectors: number[] } => ({
  dirty: DISKS.map((_, index) => blocks(reader.dirty(index))),
  sectors: DISKS.map((_, index) => memory.sectors(index)),
});

const fill = (all: readonly (readonly (readonly FakeEvent[])[])[]): void => {
  for (const [cpu, pages] of all.entries()) rings.fill(cpu, pages);
};

describe('ring reader', () => {
  it('marks and counts completions and tells the sink all of its events in order', () => {
    fc.assert(
      fc.property(content, (all) => {
        start();
        try {
          const { memory, reader } = firstProcess();
          fill(all);
          const seen: string[] = [];
          const note =
            (kind: string) =>
            (disk: number, offset: number, length: number, time: number): void =>
              void seen.push(`${kind} ${disk} ${offset} ${length} ${time}`);
          reader.drain({ issued: note('issue'), requeued: note('requeue'), completed: note('complete') });
          const expected = all.flatMap((pages) =>
            pages.flatMap((events) => {
              let time = 1_000_000;
              return events.flatMap(({ event: kind, device, sector, sectors, delta }) => {
                time += delta;
                const ours = kind !== 'foreign' && sectors > 0 && DEVICES.includes(device);
                return ours ? [`${kind} ${DEVICES.indexOf(device)} ${sector * 512} ${sectors * 512} ${time}`] : [];
              });
            }),
          );
          expect(seen).toEqual(expected);
          expect(held(memory, reader)).toEqual(expectation(all));
          expect(all.map((_, cpu) => memory.booked(cpu))).toEqual(all.map((pages) => pages.flat().length));
        } finally {
          stop();
        }
      }),
      { numRuns: 40 },
    );
  });

  it('tells discards from writes, and those of several ranges as they are queued, for what ends of them has no place', () => {
    start();
    try {
      const { memory, reader } = firstProcess();
      const [many, plain] = DEVICES as [number, number];
      reader.follow(0, { device: many, gathersDiscards: true, bioBased: false, passThrough: undefined }, memory.dirty(0, true), true);
      const one = (about: Omit<FakeEvent, 'delta'>): FakeEvent => ({ ...about, delta: 1 });
      rings.fill(0, [
        [
          one({ event: 'queue', device: many, sector: 8, sectors: 16, letter: 'D' }),
          one({ event: 'queue', device: many, sector: 80, sectors: 8, letter: 'D' }),
          one({ event: 'issue', device: many, sector: 8, sectors: 24, letter: 'D' }),
          one({ event: 'requeue', device: many, sector: 8, sectors: 24, letter: 'D' }),
          one({ event: 'complete', device: many, sector: 8, sectors: 24, letter: 'D' }),
          one({ event: 'complete', device: many, sector: 8, sectors: 8, letter: 'D', error: 5 }),
          one({ event: 'complete', device: many, sector: 160, sectors: 8 }),
          one({ event: 'complete', device: plain, sector: 0, sectors: 8, letter: 'D' }),
          one({ event: 'complete', device: plain, sector: 8, sectors: 8, letter: 'D', error: 5 }),
          one({ event: 'complete', device: plain, sector: 16, sectors: 8 }),
        ],
      ]);
      const seen: unknown[] = [];
      reader.drain({
        issued: () => seen.push('issued'),
        requeued: () => seen.push('requeued'),
        completed: (disk, offset, length, _time, discarded) => seen.push([disk, offset / 512, length / 512, discarded]),
        discardQueued: (disk, offset, length) => seen.push(['queued', disk, offset / 512, length / 512]),
        discardEnded: (disk, length, _time, success) => seen.push(['ended', disk, length / 512, success]),
      });
      expect(seen).toEqual([
        ['queued', 0, 8, 16],
        ['queued', 0, 80, 8],
        ['ended', 0, 24, true],
        ['ended', 0, 8, false],
        [0, 160, 8, false],
        [1, 0, 8, true],
        [1, 8, 8, false],
        [1, 16, 8, false],
      ]);
      expect(held(memory, reader)).toEqual({
        dirty: [
          [1, 2, 10, 20],
          [0, 1, 2],
        ],
        sectors: [40, 24],
      });
    } finally {
      stop();
    }
  });

  it('takes what is queued to a disk without requests for written, and tells what is queued and what ends', () => {
    start();
    try {
      const { memory, reader } = firstProcess();
      const [bios, requests] = DEVICES as [number, number];
      reader.follow(0, { device: bios, gathersDiscards: false, bioBased: true, passThrough: undefined }, memory.dirty(0, true), true);
      const one = (about: Omit<FakeEvent, 'delta'>): FakeEvent => ({ ...about, delta: 1 });
      rings.fill(0, [
        [
          one({ event: 'queue', device: bios, sector: 8, sectors: 32 }),
          one({ event: 'queue', device: bios, sector: 0, sectors: 0 }),
          one({ event: 'end', device: bios, sector: 32, sectors: 8 }),
          one({ event: 'end', device: bios, sector: 48, sectors: 0 }),
          one({ event: 'queue', device: bios, sector: 80, sectors: 8, letter: 'D' }),
          one({ event: 'end', device: bios, sector: 80, sectors: 8, letter: 'D' }),
          one({ event: 'end', device: bios, sector: 88, sectors: 8, letter: 'D', error: 5 }),
          one({ event: 'complete', device: bios, sector: 160, sectors: 8 }),
          one({ event: 'queue', device: requests, sector: 8, sectors: 8 }),
          one({ event: 'end', device: requests, sector: 8, sectors: 8 }),
        ],
      ]);
      expect(reader.lastWritten(0)).toBe(Number.NEGATIVE_INFINITY);
      const seen: unknown[] = [];
      const other = (): void => void seen.push('as a request');
      reader.drain({
        issued: other,
        requeued: other,
        completed: other,
        queued: (disk, offset, length) => seen.push(['queued', disk, offset / 512, length / 512]),
        ended: (disk, offset, length, _time, discarded) => seen.push(['ended', disk, offset / 512, length / 512, discarded]),
      });
      expect(seen).toEqual([
        ['queued', 0, 8, 32],
        ['ended', 0, 32, 8, false],
        ['ended', 0, 48, 0, false],
        ['queued', 0, 80, 8],
        ['ended', 0, 80, 8, true],
        ['ended', 0, 88, 8, false],
      ]);
      expect(held(memory, reader)).toEqual({ dirty: [[1, 2, 3, 4, 10], []], sectors: [40, 0] });
      expect(reader.lastWritten(0)).toBe(1_000_003);
    } finally {
      stop();
    }
  });

  describe('of what programs hand to a disk past the block layer', () => {
    beforeEach(start);
    afterEach(stop);

    const [handed, other] = DEVICES as [number, number];
    const one = (event: 'issue' | 'complete', device: number, letter: 'W' | 'N' = 'N', sectors = 0): FakeEvent => ({
      event,
      device,
      sector: 0,
      sectors,
      delta: 1,
      letter,
    });
    const command = (...bytes: number[]): FakeCommand => ({ event: 'command', bytes, delta: 1 });
    const READ = command(0x28, ...Array.from({ length: 9 }, () => 0));
    const WRITE = command(0x2a, ...Array.from({ length: 9 }, () => 0));

    /** One for each completion that was told. */
    let completions: number[] = [];
    const harmOf = (passThrough: 'scsi' | 'nvme' | undefined, ...pages: (FakeEvent | FakeCommand)[][]): string | undefined => {
      const { memory, reader } = firstProcess();
      reader.follow(0, { device: handed, gathersDiscards: false, bioBased: false, passThrough }, memory.dirty(0, true), true);
      rings.fill(1, pages);
      completions = [];
      reader.drain({ ...silent, completed: () => void completions.push(0) });
      const harm = reader.harm(0, 2_000_000);
      expect(reader.harm(1, 2_000_000)).toBeUndefined();
      return harm;
    };

    it.each<[string, 'scsi' | 'nvme' | undefined, (FakeEvent | FakeCommand)[][], RegExp | undefined]>([
      [
        'a command that writes',
        'scsi',
        [[one('issue', handed), WRITE, one('complete', handed)]],
        /SCSI command 0x2a, past the block layer/,
      ],
      ['one that does not', 'scsi', [[one('issue', handed), READ, one('complete', handed)]], undefined],
      ['one on the next page', 'scsi', [[one('issue', handed)], [WRITE]], /SCSI command 0x2a/],
      ['one by ATA PASS-THROUGH', 'scsi', [[one('issue', handed), command(0xa1, 0, 0, 0, 0, 0, 0, 0, 0, 0xca)]], /SCSI command 0xa1/],
      ['one that reads by ATA PASS-THROUGH', 'scsi', [[one('issue', handed), command(0xa1, 0, 0, 0, 0, 0, 0, 0, 0, 0xec)]], undefined],
      ['one that is not told of', 'scsi', [[one('issue', handed), one('issue', handed), READ]], /not told of/],
      ['one that is not told of, the last one', 'scsi', [[one('issue', handed)]], /not told of/],
      ['the command of an ordinary write', 'scsi', [[one('issue', handed), READ, one('issue', handed, 'W', 8), WRITE]], undefined],
      ['zeroes that are written', 'scsi', [[one('issue', handed, 'N', 8), WRITE]], undefined],
      ['a command to another disk', 'scsi', [[one('issue', other), WRITE]], undefined],
      ['anything to NVMe', 'nvme', [[one('issue', handed)]], /NVMe command/],
      ['the question for a serial number', undefined, [[one('issue', handed)]], undefined],
    ])('judges %s', (_name, kind, pages, expected) => {
      const harm = harmOf(kind, ...pages);
      if (expected === undefined) expect(harm).toBeUndefined();
      else expect(harm).toMatch(expected);
    });

    it('takes the end of it for no write, although it has a length', () => {
      const end: FakeEvent = { ...one('complete', handed, 'N', 8), sector: 2 ** 64 - 2 ** 32 };
      expect(harmOf('scsi', [one('issue', handed), READ, end])).toBeUndefined();
      expect(completions).toEqual([]);
      expect(nextProcess().memory.sectors(0)).toBe(0);
    });

    it('forgets nothing of it in a restart', () => {
      harmOf('scsi', [one('issue', handed), WRITE]);
      expect(nextProcess().memory.disks.stage(0)).toBe('lost');
    });
  });

  it('loses nothing and counts nothing twice when killed at any event', () => {
    fc.assert(
      fc.property(content, fc.nat(60), fc.integer({ min: 1, max: 3 }), (all, spared, kills) => {
        start();
        try {
          firstProcess();
          fill(all);
          for (let kill = 0; kill < kills; kill += 1) {
            const { reader } = nextProcess();
            let left = spared;
            const killer = (): void => {
              left -= 1;
              if (left < 0) throw new Error('killed');
            };
            try {
              reader.drain({ issued: killer, requeued: killer, completed: killer });
            } catch {
              // As if the process had ended at this instruction: its successor sees what is in the memory and in the rings.
            }
          }
          const { memory, reader, gap } = nextProcess();
          expect(gap).toBeUndefined();
          reader.drain(silent);
          expect(held(memory, reader)).toEqual(expectation(all));
        } finally {
          stop();
        }
      }),
      { numRuns: 60 },
    );
  });

  const one: FakeEvent = { event: 'complete', device: DEVICES[0]!, sector: 8, sectors: 8, delta: 1 };

  describe('after a kill', () => {
    beforeEach(start);
    afterEach(stop);

    it.each(['turn stored, slot not emptied', 'half filled, turn not stored'])('with the %s books the page once', (where) => {
      const { memory, reader } = firstProcess();
      rings.fill(0, [[one, one]]);
      if (where.startsWith('turn')) {
        memory.discard = () => {
          throw new Error('killed');
        };
        expect(() => reader.drain(silent)).toThrow('killed');
      } else {
        const store = jest.spyOn(Atomics, 'store').mockImplementation(() => {
          throw new Error('killed');
        });
        expect(() => reader.drain(silent)).toThrow('killed');
        store.mockRestore();
      }
      const next = nextProcess();
      expect(next.gap).toBeUndefined();
      expect(next.memory.sectors(0)).toBe(16);
      expect(next.memory.booked(0)).toBe(2);
    });

    it('books what the slot holds, which would be lost otherwise', () => {
      const { reader } = firstProcess();
      rings.fill(0, [[one, one]]);
      const killed = (): void => {
        throw new Error('killed');
      };
      expect(() => reader.drain({ ...silent, completed: killed })).toThrow('killed');
      expect(nextProcess(false).memory.sectors(0)).toBe(0);
      expect(nextProcess().memory.sectors(0)).toBe(16);
    });

    it('sees that records were read by someone who did not book them', () => {
      firstProcess();
      rings.fill(1, [[one], [one]]);
      const other = rings.instance.openRing(1);
      readSync(other, Buffer.alloc(PAGE));
      expect(nextProcess().gap).toMatch('cpu1');
    });

    it('does not take a copy cut short for a page', () => {
      const { memory } = firstProcess();
      rings.fill(0, [[one, one, one]]);
      const copy = Buffer.alloc(PAGE);
      readSync(rings.instance.openRing(0), copy);
      // All but the last record arrived.
      memory.slot(0).words.set(new Uint32Array(copy.buffer, copy.byteOffset, PAGE / 4).subarray(0, 4 + 2 * 8));
      expect(nextProcess().gap).toBeDefined();
    });

    it('sees that a ring lost records', () => {
      firstProcess();
      rings.counters.lost = 1;
      expect(nextProcess().gap).toMatch('lost 1');
    });
  });

  describe('finds', () => {
    beforeEach(start);
    afterEach(stop);

    const why = (): unknown => {
      const { reader } = firstProcess();
      try {
        return reader.drain(silent);
      } catch (reason) {
        return isHoldfastError(reason, 'CONTINUITY_LOST') ? reason.why : reason;
      }
    };

    it('an overflow', () => {
      rings.fill(2, [[one]], 17n);
      expect(why()).toMatch('cpu2 overflowed, 17 events');
    });

    it('a page that makes no sense', () => {
      rings.fill(2, [[one]]);
      rings.spoil(2);
      expect(why()).toMatch('cpu2 makes no sense');
    });

    it('a record of a known event without all its fields', () => {
      rings.fill(2, [[{ ...one, short: true }]]);
      expect(why()).toMatch('too short');
    });

    it('nothing wrong with a good page', () => {
      rings.fill(2, [[one]]);
      expect(why()).toBeUndefined();
    });
  });
});
