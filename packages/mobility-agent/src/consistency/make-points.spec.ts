import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { CutSchema, idBytes, idText, newId, PointKind } from '@holdfast/protocol';
import type { CutHold, MachineCapture } from '../engine/machine-capture.ts';
import { createPointMaker, type PointMaker } from './make-points.ts';

const NOTHING = { applicationIntervalSeconds: 0, hold: 'never', holdLimitMilliseconds: 0 };
const PLACES = {
  machineId: newId(),
  watchdog: ['/nowhere/watchdog'],
  scripts: '/nowhere/scripts',
  scriptLimit: 1000,
  log: '/dev/shm/holdfast-none',
  kept: [],
};
const ABOUT = { disks: [], isWhole: true };
const signal = new AbortController().signal;

/** A capture that takes all steps of a hold, as far as they succeed, and makes points of it. */
const captureOf = (fails?: HoldfastError) => {
  const holds: (CutHold | undefined)[] = [];
  const cut = async (_: AbortSignal, hold?: CutHold) => {
    holds.push(hold);
    if (fails !== undefined) throw fails;
    let taken = 0;
    for (const step of hold?.always === true ? hold.steps : []) {
      const isTaken = await step().then(
        () => true,
        () => false,
      );
      if (!isTaken) break;
      taken += 1;
    }
    const held = hold?.always === true && (await hold.end()) && taken === hold.steps.length;
    const point = { id: idBytes(newId()), kind: hold?.kind(held) ?? PointKind.CRASH, instant: { unixNanos: 5_000_000n } };
    const made = create(CutSchema, { id: idBytes(newId()), point });
    return { cut: made, frames: async function* () {} };
  };
  return { holds, capture: { cut } as unknown as MachineCapture };
};

describe('points', () => {
  const problems: HoldfastError[] = [];
  let due = 0;
  let maker: PointMaker;
  const open = (places: typeof PLACES | undefined): void => {
    problems.length = 0;
    due = 0;
    maker = createPointMaker({
      places,
      onDue: () => (due += 1),
      onProblem: (error) => problems.push(error),
      onConsistent: () => undefined,
    });
  };
  beforeEach(() => {
    jest.useFakeTimers();
    open(PLACES);
  });
  afterEach(() => {
    maker.forget();
    jest.useRealTimers();
  });

  it('are crash-consistent, and hold nobody, unless something else is wanted', async () => {
    const { holds, capture } = captureOf();
    maker.adopt(NOTHING);
    expect((await maker.cut(capture, signal, ABOUT)).cut.point!.kind).toBe(PointKind.CRASH);
    maker.adopt({ ...NOTHING, hold: 'freeze' });
    await maker.cut(capture, signal, ABOUT);
    maker.adopt({ ...NOTHING, hold: 'throttle' });
    await maker.cut(capture, signal, ABOUT);
    maker.adopt({ ...NOTHING, hold: 'snapshot' });
    await maker.cut(capture, signal, ABOUT);
    expect(holds.map((hold) => hold && [hold.always, hold.steps.length])).toEqual([undefined, [false, 2], [false, 1], [false, 0]]);
    expect(holds.map((hold) => hold?.snapshot !== undefined)).toEqual([false, false, false, true]);
  });

  it('with applications at rest are due at once and then at the interval, and only of a whole machine', async () => {
    const { holds, capture } = captureOf();
    const isConsistent = async (isWhole = true): Promise<boolean> => {
      await maker.cut(capture, signal, { ...ABOUT, isWhole });
      return holds.at(-1)?.always === true;
    };
    maker.adopt({ ...NOTHING, applicationIntervalSeconds: 300 });
    expect([await isConsistent(false), await isConsistent(), await isConsistent()]).toEqual([false, true, false]);
    await jest.advanceTimersByTimeAsync(299_000);
    expect([due, await isConsistent()]).toEqual([0, false]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect([due, await isConsistent(), await isConsistent()]).toEqual([1, true, false]);
    maker.adopt({ ...NOTHING, applicationIntervalSeconds: 300 });
    expect(await isConsistent()).toBe(false);
    maker.adopt(NOTHING);
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect([due, await isConsistent()]).toEqual([1, false]);
  });

  it('that are asked for are made once, at once, and answered; what cannot be held makes them lesser ones', async () => {
    const { holds, capture } = captureOf();
    const id = newId();
    const request = { ...NOTHING, pointRequest: { id: idBytes(id), kind: PointKind.FILESYSTEM } } as Parameters<PointMaker['adopt']>[0];
    maker.adopt(request);
    maker.adopt(request);
    expect([due, maker.answer]).toEqual([1, undefined]);
    jest.useRealTimers();
    const { cut } = await maker.cut(capture, signal, ABOUT);
    expect(maker.answer).toMatchObject({
      requestId: id,
      kind: PointKind.CRASH,
      unixMillis: 5,
      cutId: idText(cut.id),
      problem: { code: 'HOLD_FAILED' },
    });
    expect(problems.map(({ code }) => code)).toEqual(['HOLD_FAILED']);
    maker.adopt(request);
    await maker.cut(capture, signal, ABOUT);
    expect([due, holds.map((hold) => hold?.always)]).toEqual([1, [true, undefined]]);
    maker.adopt(NOTHING);
    expect(maker.answer).toBeUndefined();
  });

  it('that do not converge are answered too; a full log leaves the request as it is', async () => {
    const pointRequest = { id: idBytes(newId()), kind: PointKind.CRASH };
    const request = { ...NOTHING, pointRequest } as Parameters<PointMaker['adopt']>[0];
    const error = (code: 'NO_SPACE' | 'CAPTURE_NOT_CONVERGED') => new HoldfastError(code, { thing: 'cut', why: 'test', remedy: 'none' });
    maker.adopt(request);
    await expect(maker.cut(captureOf(error('NO_SPACE')).capture, signal, ABOUT)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(maker.answer).toBeUndefined();
    await expect(maker.cut(captureOf(error('CAPTURE_NOT_CONVERGED')).capture, signal, ABOUT)).rejects.toThrow();
    expect(maker.answer).toMatchObject({ kind: PointKind.UNSPECIFIED, cutId: undefined, problem: { code: 'CAPTURE_NOT_CONVERGED' } });
  });

  it('where nothing can be held say so', async () => {
    open(undefined);
    const pointRequest = { id: idBytes(newId()), kind: PointKind.APPLICATION };
    maker.adopt({ ...NOTHING, hold: 'freeze', pointRequest } as Parameters<PointMaker['adopt']>[0]);
    await maker.cut(captureOf().capture, signal, ABOUT);
    expect(maker.answer).toMatchObject({ kind: PointKind.CRASH, problem: { code: 'HOLD_FAILED', thing: 'this machine' } });
  });
});
