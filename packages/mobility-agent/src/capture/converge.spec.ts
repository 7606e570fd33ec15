import type { WriterHold } from './capture.ts';
import { converge } from './converge.ts';
import type { DiskSource } from './disk-source.ts';
import type { Convergence, RoundDisk, RoundResult } from './rounds.ts';

const EXACT: RoundResult = { exact: true };
const BUSY: RoundResult = { exact: false, reason: 'block 7 was being written while it was read', read: 1 };

/** Rounds and steps in the order in which they are taken. */
const scripted = (rounds: (course: readonly string[]) => RoundResult | Error) => {
  const course: string[] = [];
  const convergence = {
    round: async () => {
      const result = rounds(course);
      course.push(result instanceof Error ? 'error' : result.exact ? 'exact' : 'busy');
      if (result instanceof Error) throw result;
      return result;
    },
    snapshotRound: async (_: RoundDisk, take: () => Promise<DiskSource>) => {
      await take();
      const result = rounds(course);
      if (result instanceof Error) throw result;
      return result;
    },
  } as unknown as Convergence;
  const step =
    (name: string, fails = false) =>
    async (): Promise<void> => {
      course.push(name);
      if (fails) throw new Error(name);
    };
  const hold = (always: boolean, steps: readonly (() => Promise<void>)[], inForce = true): WriterHold => ({
    always,
    steps,
    patience: 60_000,
    end: async () => {
      course.push('end');
      return inForce;
    },
  });
  const cut = (given?: WriterHold, disks = 1) =>
    converge({
      convergence,
      disks: Array.from({ length: disks }, () => ({}) as RoundDisk),
      limits: { rounds: 3, milliseconds: 60_000 },
      hold: given,
    });
  return { course, step, hold, cut };
};

describe('converge', () => {
  it('lies within all steps of a hold that is always wanted, with rounds before and after each', async () => {
    const { course, step, hold, cut } = scripted(() => EXACT);
    expect(await cut(hold(true, [step('scripts'), step('freeze')]))).toEqual({ rounds: 1, held: true });
    expect(course).toEqual(['exact', 'scripts', 'exact', 'freeze', 'exact', 'end']);
  });

  it('takes a step only when the rounds before it did not converge', async () => {
    const calm = scripted(() => EXACT);
    expect(await calm.cut(calm.hold(false, [calm.step('throttle')]))).toEqual({ rounds: 1, held: false });
    expect(calm.course).toEqual(['exact']);
    const slowed = scripted((course) => (course.includes('throttle') ? EXACT : BUSY));
    await slowed.cut(slowed.hold(false, [slowed.step('throttle'), slowed.step('freeze')]));
    expect(slowed.course).toEqual(['busy', 'busy', 'busy', 'throttle', 'exact', 'end']);
    const frozen = scripted((course) => (course.includes('freeze') ? EXACT : BUSY));
    expect((await frozen.cut(frozen.hold(false, [frozen.step('throttle'), frozen.step('freeze')]))).held).toBe(true);
    expect(frozen.course.slice(3)).toEqual(['throttle', 'busy', 'busy', 'busy', 'freeze', 'exact', 'end']);
  });

  it('goes on without a hold of which a step fails, after everything was let go', async () => {
    const { course, step, hold, cut } = scripted(() => EXACT);
    expect(await cut(hold(true, [step('scripts', true), step('freeze')]))).toEqual({ rounds: 1, held: false });
    expect(course).toEqual(['exact', 'scripts', 'end', 'exact']);
  });

  it('is made out of a snapshot of the only disk when the rounds before did not converge', async () => {
    const withSnapshot = (rig: ReturnType<typeof scripted>, fails = false): WriterHold => ({
      ...rig.hold(false, []),
      snapshot: async () => {
        await rig.step('snapshot', fails)();
        return {} as DiskSource;
      },
    });
    const calm = scripted(() => EXACT);
    await calm.cut(withSnapshot(calm));
    expect(calm.course).toEqual(['exact']);
    const busy = scripted((course) => (course.includes('snapshot') ? EXACT : BUSY));
    expect(await busy.cut(withSnapshot(busy))).toEqual({ rounds: 1, held: false });
    expect(busy.course.slice(3)).toEqual(['snapshot', 'end']);
    const none = scripted((course) => (course.includes('end') ? EXACT : BUSY));
    await none.cut(withSnapshot(none, true));
    expect(none.course.slice(3)).toEqual(['snapshot', 'end', 'exact']);
    const lost = scripted((course) => (course.includes('snapshot') ? new Error('lost') : BUSY));
    await expect(lost.cut(withSnapshot(lost))).rejects.toThrow('lost');
    expect(lost.course.slice(3)).toEqual(['snapshot', 'end']);
    // Two disks have no snapshot at one instant.
    const two = scripted(() => BUSY);
    await expect(two.cut(withSnapshot(two), 2)).rejects.toMatchObject({ code: 'CAPTURE_NOT_CONVERGED' });
    expect(two.course).not.toContain('snapshot');
  });

  it('is not held when the hold was not in force until the end', async () => {
    const { step, hold, cut } = scripted(() => EXACT);
    expect(await cut(hold(true, [step('freeze')], false))).toEqual({ rounds: 1, held: false });
  });

  it('lets go when nothing converges, and when a round fails', async () => {
    const busy = scripted(() => BUSY);
    await expect(busy.cut(busy.hold(false, [busy.step('freeze')]))).rejects.toMatchObject({ code: 'CAPTURE_NOT_CONVERGED' });
    expect(busy.course.slice(-2)).toEqual(['busy', 'end']);
    const failing = scripted((course) => (course.includes('freeze') ? new Error('lost') : EXACT));
    await expect(failing.cut(failing.hold(true, [failing.step('freeze')]))).rejects.toThrow('lost');
    expect(failing.course).toEqual(['exact', 'freeze', 'error', 'end']);
  });
});
