import { HoldfastError } from '@holdfast/errors';
import type { CutContent } from '@holdfast/protocol';
import { createNotice } from '../sender/notice.ts';
import { until } from '../sender/testing/until.ts';
import type { MachineCapture } from './machine-capture.ts';
import { type CaptureWork, TooMuchForLog, workCapture } from './work-capture.ts';

const full = new HoldfastError('NO_SPACE', { thing: 'log', why: 'full', remedy: 'wait' });
const notConverged = new HoldfastError('CAPTURE_NOT_CONVERGED', { thing: 'cut', why: 'too busy', remedy: 'write less' });

/** A capture and a log whose behaviour the test gives. */
const createWorld = (parts: Partial<MachineCapture> = {}, change: Partial<CaptureWork> = {}) => {
  const calls: string[] = [];
  const committed: CutContent[] = [];
  const stopping = new AbortController();
  const freed = createNotice();
  const pointWanted = createNotice();
  let copied = false;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const capture: MachineCapture = {
    resyncs: new Map(),
    missing: new Map(),
    scanned: new Map(),
    retryMissing: async () => undefined,
    copy: async () => {
      calls.push('copy');
      copied = true;
    },
    get canCut() {
      return copied;
    },
    cut: async () => {
      calls.push('cut');
      return {} as CutContent;
    },
    sample: async () => undefined,
    failure: failure.promise,
    close: async () => undefined,
    ...parts,
  };
  const hrl = { usedBytes: 0, quotaBytes: 100, committed: () => committed };
  const start = (): Promise<void> =>
    workCapture({
      capture,
      hrl,
      cut: (signal) => capture.cut(signal),
      interval: () => 1,
      pointWanted,
      freed,
      onCommitted: () => void calls.push('committed'),
      onSkipped: ({ message }) => void calls.push(`skipped ${message}`),
      onFull: (isFull) => void calls.push(isFull ? 'full' : 'room'),
      onCopied: () => void calls.push('copied'),
      signal: stopping.signal,
      ...change,
    });
  return { start, calls, committed, hrl, stopping, freed, pointWanted, failure, capture };
};

const count = (calls: readonly string[], what: string): number => calls.filter((call) => call === what).length;

/** Fails so many times with `reason`, then does as told. */
const failing = <T>(times: number, reason: unknown, then: () => Promise<T>): (() => Promise<T>) => {
  let left = times;
  return async () => {
    left -= 1;
    if (left >= 0) throw reason;
    return then();
  };
};

describe('the work of a capture', () => {
  it('copies, makes points at every interval, and ends when told', async () => {
    const { start, calls, stopping } = createWorld();
    const done = start();
    await until('cuts', () => count(calls, 'cut') >= 3);
    stopping.abort();
    await done;
    expect(calls.filter((call) => call !== 'copied').slice(0, 5)).toEqual(['copy', 'cut', 'committed', 'cut', 'committed']);
    expect(count(calls, 'copied')).toBe(1);
  });

  it('makes points while disks are copied, where that is possible', async () => {
    const copying = Promise.withResolvers<void>();
    const { start, calls, stopping } = createWorld({ canCut: true, copy: () => copying.promise });
    const done = start();
    await until('cuts', () => count(calls, 'cut') >= 2);
    expect(calls).not.toContain('copied');
    copying.resolve();
    await until('it is copied', () => calls.includes('copied'));
    stopping.abort();
    await done;
  });

  it('makes a point at once when it is wanted, whatever the interval', async () => {
    const { start, calls, stopping, pointWanted } = createWorld({}, { interval: () => 3_600_000 });
    const done = start();
    for (let points = 1; points <= 3; points += 1) {
      await until('a cut', () => count(calls, 'cut') === points);
      pointWanted.give();
    }
    stopping.abort();
    await done;
  });

  it('tells of a cut that did not converge, and goes on', async () => {
    const { start, calls, stopping } = createWorld({ cut: failing(2, notConverged, async () => ({}) as CutContent) });
    const done = start();
    await until('a cut', () => calls.includes('committed'));
    stopping.abort();
    await done;
    expect(calls.filter((call) => call.startsWith('skipped'))).toHaveLength(2);
  });

  it('waits while the log is full, until half of it is free', async () => {
    const world = createWorld();
    const { start, calls, stopping, committed, hrl, freed, capture } = world;
    committed.push({} as CutContent, {} as CutContent);
    hrl.usedBytes = 90;
    let attempts = 0;
    (capture as { cut: MachineCapture['cut'] }).cut = async () => {
      attempts += 1;
      if (hrl.usedBytes > 50) throw full;
      calls.push('cut');
      return {} as CutContent;
    };
    const done = start();
    await until('it is full', () => calls.includes('full'));
    hrl.usedBytes = 60;
    freed.give();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(attempts).toBe(1);
    hrl.usedBytes = 40;
    freed.give();
    await until('there is room', () => calls.includes('room'));
    stopping.abort();
    await done;
    expect([count(calls, 'full'), count(calls, 'room')]).toEqual([1, 1]);
  });

  it('goes on with a copy that filled an empty log by its own pieces', async () => {
    const world = createWorld();
    const { start, calls, stopping, committed, hrl, freed, capture } = world;
    let attempts = 0;
    (capture as { copy: MachineCapture['copy'] }).copy = async ({ onProgress }) => {
      attempts += 1;
      if (attempts > 1) return;
      committed.push({} as CutContent);
      hrl.usedBytes = 100;
      onProgress();
      throw full;
    };
    const done = start();
    await until('it is full', () => calls.includes('full'));
    hrl.usedBytes = 10;
    freed.give();
    await until('it is copied', () => calls.includes('copied'));
    stopping.abort();
    await done;
    expect(attempts).toBe(2);
  });

  it('ends while the log is full when told', async () => {
    const { start, calls, stopping, committed, hrl } = createWorld({ copy: () => Promise.reject(full) });
    committed.push({} as CutContent);
    hrl.usedBytes = 100;
    const done = start();
    await until('it is full', () => calls.includes('full'));
    stopping.abort();
    await done;
  });

  it('says so when a cut does not even fit into an empty log, and when nothing does', async () => {
    await expect(createWorld({ cut: () => Promise.reject(full) }).start()).rejects.toBeInstanceOf(TooMuchForLog);
    await expect(createWorld({ copy: () => Promise.reject(full) }).start()).rejects.toBe(full);
  });

  it('tries missing disks again and copies them', async () => {
    const missing = new Map([['a', full]]);
    const { start, calls, stopping } = createWorld({ missing, retryMissing: async () => void missing.clear() });
    const done = start();
    await until('it is copied twice', () => count(calls, 'copied') === 2);
    stopping.abort();
    await done;
  });

  it('tries missing disks again though the copy of the others never ends', async () => {
    const missing = new Map([['a', full]]);
    const copying = Promise.withResolvers<void>();
    const { start, calls, stopping } = createWorld({
      missing,
      retryMissing: async () => void missing.clear(),
      copy: () => copying.promise,
    });
    const done = start();
    await until('it is there', () => missing.size === 0);
    expect(calls).not.toContain('copied');
    copying.resolve();
    // Once more for the one that came meanwhile.
    await until('it is copied twice', () => count(calls, 'copied') === 2);
    stopping.abort();
    await done;
  });

  it.each<[string, (theEnd: Error) => Partial<MachineCapture>]>([
    ['a cut', (theEnd) => ({ cut: () => Promise.reject(theEnd) })],
    ['the copy', (theEnd) => ({ copy: () => Promise.reject(theEnd) })],
    ['the capture', (theEnd) => ({ failure: Promise.reject(theEnd) })],
  ])('ends with the error of %s', async (_, parts) => {
    const theEnd = new Error('the end');
    const world = createWorld(parts(theEnd));
    world.capture.failure.catch(() => undefined);
    await expect(world.start()).rejects.toBe(theEnd);
  });
});
