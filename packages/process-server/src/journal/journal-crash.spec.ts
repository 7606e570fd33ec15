import fc from 'fast-check';
import { type Command, JournalBench, judge, unmarked } from './testing/journal-bench.ts';
import { type Fate, filesAfter, kept } from './testing/memory-directory.ts';

const machine = fc.constantFrom(0 as const, 1 as const);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('frames' as const),
      machine,
      epoch: machine,
      sizes: fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), machine }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'releaseNewest' as const), machine }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'again' as const, 'restart' as const), machine }) },
  { weight: 3, arbitrary: fc.constant({ do: 'wait' as const }) },
);
const script = fc.array(command, { minLength: 20, maxLength: 120 });

/**
 * Without restarts: those of an agent send what was sent before, for a cut never changes, while the bench sends other bytes to tell them
 * apart. When the later ones are damaged the earlier ones count, which is right for an agent and would look wrong here.
 */
const withoutRestarts = script.map((commands) => commands.filter((one) => one.do !== 'restart'));

/** Power fails: what no sync covers arrives, or not, or in part, whatever came before or after it. */
const fateOf =
  (seed: number): Fate =>
  ({ bytes }, index) => {
    const roll = Math.imul(index + 1, Math.imul(seed | 1, 2_654_435_761)) >>> 0;
    if (roll % 3 === 0) return 0;
    return roll % 3 === 1 ? bytes.length : roll % (bytes.length + 1);
  };

const A_LIFE: readonly Command[] = Array.from({ length: 30 }, (_, round): Command[] => {
  const which = (round % 2) as 0 | 1;
  return [
    { do: 'frames', machine: which, epoch: 0, sizes: [900 + round, 1400] },
    { do: 'frames', machine: which, epoch: 1, sizes: [10] },
    ...(round % 7 === 3 ? [{ do: 'restart', machine: which } as const] : []),
    { do: 'frames', machine: which, epoch: 1, sizes: [1200] },
    { do: round % 9 === 5 ? 'drop' : 'commit', machine: which },
    ...(round % 2 === 1 ? [{ do: 'wait' } as const] : []),
    ...(round > 8 ? [{ do: round % 5 === 0 ? 'releaseNewest' : 'release', machine: round % 3 === 0 ? 0 : 1 } as const] : []),
  ];
}).flat();

describe('the journal', () => {
  it('comes back right when the process ends behind any write of a life, and in the middle of any', async () => {
    const bench = await JournalBench.create();
    await bench.run(A_LIFE);
    const { operations } = bench.directory;
    let recovered = 0;
    for (let count = 0; count <= operations.length; count += 1) {
      const last = operations[count - 1];
      const tears = last?.kind === 'write' ? [undefined, 0, 1, 60, 127, 128, last.bytes.length >> 1, last.bytes.length - 1] : [undefined];
      for (const torn of tears) {
        if (torn !== undefined && last?.kind === 'write' && torn >= last.bytes.length) continue;
        // A header is one sector: it is written whole or not at all.
        if (torn !== undefined && last?.kind === 'write' && last.offset === 0 && torn > 0) continue;
        const judged = await judge(bench, count, filesAfter(operations, count, kept, torn));
        expect({ count, torn, ...judged }).toMatchObject({ wrong: undefined });
        recovered += judged.recovered;
      }
    }
    // It was not for want of anything to find.
    expect(recovered).toBeGreaterThan(1000);
  });

  it('comes back right when the power fails at any moment, whatever of the unsynced then reached the disk', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.integer(), fc.array(fc.nat(), { minLength: 8, maxLength: 8 }), async (commands, seed, moments) => {
        const bench = await JournalBench.create();
        await bench.run(commands);
        const { operations } = bench.directory;
        for (const moment of moments) {
          const count = moment % (operations.length + 1);
          const judged = await judge(bench, count, filesAfter(operations, count, headersWhole(fateOf(seed))));
          expect(judged.wrong).toBeUndefined();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('comes back right after several lives that ended at any moment, and a power failure at the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(script, { minLength: 2, maxLength: 4 }), fc.integer(), fc.nat(), async (lives, seed, moment) => {
        let bench = await JournalBench.create();
        let before = 0;
        for (const commands of lives.slice(0, -1)) {
          await bench.begin(commands);
          before = bench.directory.operations.length;
          bench = await bench.restart();
          expect(bench.journal.damage).toEqual([]);
        }
        await bench.run(lives.at(-1)!);
        const { operations } = bench.directory;
        // In the last start already, or at any time behind it.
        const count = before + (moment % (operations.length + 1 - before));
        const judged = await judge(bench, count, filesAfter(operations, count, headersWhole(fateOf(seed))));
        expect(judged.wrong).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  it('comes back right after several lives that all ended by a power failure, whatever then reached the disk', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(script, { minLength: 2, maxLength: 5 }), fc.integer(), async (lives, seed) => {
        let bench = await JournalBench.create();
        for (const [life, commands] of lives.entries()) {
          await bench.begin(commands);
          const { operations } = bench.directory;
          const fate = headersWhole(fateOf(seed + life));
          const judged = await judge(bench, operations.length, filesAfter(operations, operations.length, fate));
          expect(judged.wrong).toBeUndefined();
          bench = await bench.restart(fate);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('does not offer again what was settled, also when the file with its mark is used again before that with its records', async () => {
    const bench = await JournalBench.create();
    const small = (which: 0 | 1): Command[] => [
      { do: 'frames', machine: which, epoch: 0, sizes: [100] },
      { do: 'commit', machine: which },
      { do: 'wait' },
    ];
    const large: Command[] = Array.from({ length: 6 }, () => ({ do: 'frames', machine: 1, epoch: 0, sizes: [1400, 1400] }));
    await bench.run([
      // One stays in the first file for ever, the other is settled when a later one is written.
      ...small(0),
      ...small(0),
      ...Array.from({ length: 3 }, () => [...large, ...small(1), { do: 'release', machine: 1 } as const]).flat(),
      { do: 'releaseNewest', machine: 0 },
      ...Array.from({ length: 12 }, (): Command[] => [...large, ...small(1), { do: 'release', machine: 1 }]).flat(),
    ]);
    const { operations } = bench.directory;
    const { back, recovered, wrong } = await judge(bench, operations.length, filesAfter(operations, operations.length, kept));
    expect({ back, recovered, wrong }).toEqual({ back: [], recovered: 1, wrong: undefined });
  });

  it('has an oracle that notices a sync which is none', async () => {
    const bench = await JournalBench.create();
    bench.directory.lying = true;
    await bench.run(A_LIFE);
    const { operations } = bench.directory;
    const { wrong } = await judge(
      bench,
      operations.length,
      filesAfter(operations, operations.length, () => 0),
    );
    expect(wrong).toMatch(/cuts that were journaled are gone/);
  });

  it('never gives back a changed byte: the cut is refused, and the place is named', async () => {
    await fc.assert(
      fc.asyncProperty(withoutRestarts, fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), async (commands, which, where, bit) => {
        const bench = await JournalBench.create();
        await bench.run(commands);
        const { operations } = bench.directory;
        const files = filesAfter(operations, operations.length, kept);
        const file = [...files.values()][which % files.size]!;
        const end = file.findLastIndex((byte) => byte !== 0) + 1;
        if (end === 0) return;
        file[where % end]! ^= 1 << bit;
        const judged = await judge(bench, operations.length, files, true);
        // Behind the last mark damage and a torn end are the same thing: only the newest cuts may be gone without a word.
        if (judged.wrong !== undefined) expect(judged.wrong).toMatch(/cuts that were journaled are gone/);
        expect(unmarked(bench)).toEqual(expect.arrayContaining([...judged.gone]));
      }),
      { numRuns: 150 },
    );
  });

  it('names damage in the middle by file and byte', async () => {
    const bench = await JournalBench.create();
    await bench.run(A_LIFE.filter((one) => !one.do.startsWith('release')));
    const { operations } = bench.directory;
    const files = filesAfter(operations, operations.length, kept);
    const first = operations.find((operation) => operation.kind === 'write' && operation.offset > 4096);
    if (first?.kind !== 'write') throw new Error('nothing was written');
    files.get(first.name)![first.offset + 40]! ^= 1;
    const { damage, wrong } = await judge(bench, operations.length, files, true);
    expect(wrong).toBeUndefined();
    expect(damage[0]).toMatch(`[DAMAGED] journal file ${first.name}, byte ${first.offset}`);
  });
});

const headersWhole =
  (fate: Fate): Fate =>
  (write, index) => {
    const length = fate(write, index);
    return write.offset === 0 && length < write.bytes.length ? 0 : length;
  };
