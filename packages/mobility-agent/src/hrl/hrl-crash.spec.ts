import fc from 'fast-check';
import { createMemoryDisk, type DiskOperation, type MemoryDisk, operationBytes } from './testing/memory-disk.ts';
import { type Action, type Expected, type OpenOptions, observe, openOn, runActions } from './testing/model.ts';
import { commitCut, readBack } from './testing/scripted-cuts.ts';

/** Two disks with frames of all sizes, small beside the segments of 2 KiB, so that records end up everywhere in them. */
const shape = fc.array(fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 4 }), { minLength: 1, maxLength: 2 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: shape.map((it) => ({ kind: 'commit' as const, shape: it })) },
  { weight: 1, arbitrary: shape.map((it) => ({ kind: 'abandon' as const, shape: it })) },
  { weight: 1, arbitrary: shape.map((it) => ({ kind: 'free during' as const, shape: it })) },
  { weight: 3, arbitrary: fc.constant({ kind: 'free' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

/** Where a process may die within one operation: everywhere in a small one, at the edges and some places of a large one. */
const tearsOf = (operation: DiskOperation): number[] => {
  const size = operationBytes(operation);
  if (size <= 32) return Array.from({ length: size }, (_, at) => at);
  return [...new Set([0, 1, 4, 16, 31, 32, 33, 40, size >> 1, size - 17, size - 1])].filter((at) => at >= 0 && at < size);
};

interface Step {
  /** Operations done when the action had returned. */
  readonly operations: number;
  readonly expected: Expected;
}

/** Every state the files can be in when the process is killed, with the state of the log before and after the action under way. */
function* crashes(disk: MemoryDisk, steps: readonly Step[]): Generator<{ files: MemoryDisk; allowed: Expected[] }> {
  const done = createMemoryDisk();
  for (const [index, operation] of disk.operations.entries()) {
    const before = steps.findLast(({ operations }) => operations <= index);
    const after = steps.find(({ operations }) => operations > index);
    const allowed = [before, after].flatMap((step) => step?.expected ?? []);
    for (const bytes of tearsOf(operation)) {
      const files = done.clone();
      files.apply(operation, bytes);
      yield { files, allowed };
    }
    done.apply(operation);
  }
}

const NOTHING: Expected = { cuts: [], heads: {}, lastPointId: undefined };

const checkCrashes = async (
  actions: readonly Action[],
  options: OpenOptions,
  tamper: (files: MemoryDisk) => void = () => undefined,
): Promise<void> => {
  const disk = createMemoryDisk();
  const steps: Step[] = [{ operations: 0, expected: NOTHING }];
  await runActions(disk, actions, (expected) => steps.push({ operations: disk.operations.length, expected }), options);
  for (const { files, allowed } of crashes(disk, steps)) {
    tamper(files);
    const hrl = openOn(files, options);
    expect(allowed).toContainEqual(await observe(hrl));
    // The log goes on from there, through another sudden end.
    const kept = await readBack(hrl);
    const more = commitCut(hrl, [[77], [5]]);
    const again = openOn(files.clone(), options);
    expect(await readBack(again)).toEqual([...kept, more.print]);
  }
};

describe('the agent log when its process is killed', () => {
  it('has every committed cut and no other at every byte of every write', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), fc.constantFrom(0, 2, 4), async (actions, hotSegments) => {
        await checkCrashes(actions, { hotSegments, coldSegments: 24 });
      }),
      { numRuns: 25 },
    );
  });

  it('is seen to fail when one committed byte is not there', async () => {
    const actions: Action[] = [
      { kind: 'commit', shape: [[50]] },
      { kind: 'commit', shape: [[60]] },
    ];
    const lose = (files: MemoryDisk): void => {
      const segment = files.files.get('/hot/segment-000001.hrl');
      if (segment !== undefined && segment.length > 120) segment[120] = segment[120]! ^ 1;
    };
    await checkCrashes(actions, {});
    await expect(checkCrashes(actions, {}, lose)).rejects.toThrow();
  });
});
