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

/** Where a process may die within one operation: everywhere, or in a large one at the edges and some places. */
const tearsOf = (operation: DiskOperation, everywhere: boolean): number[] => {
  const size = operationBytes(operation);
  if (size <= 32 || (everywhere && operation.kind === 'write')) return Array.from({ length: size }, (_, at) => at);
  return [...new Set([0, 1, 4, 16, 31, 32, 33, 40, size >> 1, size - 17, size - 1])].filter((at) => at >= 0 && at < size);
};

interface Step {
  /** Operations done when the action had returned. */
  readonly operations: number;
  readonly expected: Expected;
}

/** Every state the files can be in when the process is killed, with the state of the log before and after the action under way. */
function* crashes(disk: MemoryDisk, steps: readonly Step[], everywhere: boolean): Generator<{ files: MemoryDisk; allowed: Expected[] }> {
  const done = createMemoryDisk();
  for (const [index, operation] of disk.operations.entries()) {
    const before = steps.findLast(({ operations }) => operations <= index);
    const after = steps.find(({ operations }) => operations > index);
    const allowed = [before, after].flatMap((step) => step?.expected ?? []);
    for (const bytes of tearsOf(operation, everywhere)) {
      const files = done.clone();
      files.apply(operation, bytes);
      yield { files, allowed };
    }
    done.apply(operation);
  }
}

const NOTHING: Expected = { cuts: [], heads: {}, lastPointId: undefined };

interface CrashOptions extends OpenOptions {
  readonly everywhere?: boolean;
  /** Done to the files of every crash. */
  readonly tamper?: (files: MemoryDisk) => void;
}

const checkCrashes = async (actions: readonly Action[], { everywhere = false, tamper, ...options }: CrashOptions): Promise<void> => {
  const disk = createMemoryDisk();
  const steps: Step[] = [{ operations: 0, expected: NOTHING }];
  await runActions(disk, actions, (expected) => steps.push({ operations: disk.operations.length, expected }), options);
  for (const { files, allowed } of crashes(disk, steps, everywhere)) {
    tamper?.(files);
    const hrl = openOn(files, options);
    const kept = await observe(hrl);
    expect(allowed).toContainEqual(kept);
    // The log goes on from there, through another sudden end.
    const more = commitCut(hrl, [[77], [5]]);
    expect(await readBack(openOn(files, options))).toEqual([...kept.cuts, more.print]);
  }
};

describe('the agent log when its process is killed', () => {
  it('has every committed cut and no other wherever that happens within a write', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), fc.constantFrom(0, 2, 4), async (actions, hotSegments) => {
        await checkCrashes(actions, { hotSegments, coldSegments: 24 });
      }),
      { numRuns: 12 },
    );
  }, 600_000);

  it('has them at every single byte of a short run', async () => {
    const actions: Action[] = [
      { kind: 'commit', shape: [[50], [9]] },
      { kind: 'commit', shape: [[700, 800]] },
      { kind: 'free during', shape: [[600]] },
    ];
    await checkCrashes(actions, { hotSegments: 1, everywhere: true });
  }, 600_000);

  it('is seen to fail when one committed byte is not there', async () => {
    const actions: Action[] = [
      { kind: 'commit', shape: [[50]] },
      { kind: 'commit', shape: [[60]] },
    ];
    const tamper = (files: MemoryDisk): void => {
      for (const [path, { length }] of files.files) if (path.startsWith('/hot/segment') && length > 120) files.change(path)[120]! ^= 1;
    };
    await checkCrashes(actions, {});
    await expect(checkCrashes(actions, { tamper })).rejects.toThrow();
  });
});
