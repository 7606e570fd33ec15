import { HoldfastError } from '@holdfast/errors';
import type { AgentMessage } from './messages.ts';
import { type PipelineOptions, startPipeline } from './pipeline.ts';

const notConverged = new HoldfastError('CAPTURE_NOT_CONVERGED', { thing: 'machine', why: 'too busy', remedy: 'wait' });
const full = new HoldfastError('NO_SPACE', { thing: '.hrl', why: 'the quota is full', remedy: 'wait' });
const never = new Promise<never>(() => undefined);

/** A rejection that nobody has to wait for. */
const theEnd = (): Promise<never> => {
  const rejected = Promise.reject(new Error('the end'));
  rejected.catch(() => undefined);
  return rejected;
};

const createWorld = (parts: Partial<PipelineOptions['capture']> = {}, calls: string[] = []) => {
  const told: AgentMessage[] = [];
  const stopping = new AbortController();
  const counted = async (name: string): Promise<void> => void calls.push(name);
  const capture: PipelineOptions['capture'] = {
    copy: () => counted('copy'),
    cut: () => counted('cut'),
    failure: never,
    ...parts,
  };
  const pump = { wake: () => void calls.push('wake'), drained: () => counted('drained'), failure: never };
  const start = (pointEvery = 0.001, overrides: Partial<PipelineOptions> = {}) =>
    startPipeline({ capture, pump, pointEvery, tell: (message) => told.push(message), stop: stopping.signal, ...overrides });
  return { start, told, calls, stopping, pump };
};

/** Fails with `reason` so many times, then does as told. */
const failing = <T>(times: number, reason: unknown, then: () => Promise<T>): (() => Promise<T>) => {
  let left = times;
  return async () => {
    left -= 1;
    if (left >= 0) throw reason;
    return then();
  };
};

describe('the pipeline of an agent', () => {
  it('copies, cuts again and again, and lets everything become durable in the end', async () => {
    const { start, calls, stopping } = createWorld();
    const { done } = start();
    while (calls.filter((call) => call === 'cut').length < 3) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(calls.slice(0, 5)).toEqual(['copy', 'cut', 'wake', 'cut', 'wake']);
    expect(calls.at(-1)).toBe('drained');
  });

  it('cuts at once when asked to, whatever the interval', async () => {
    const { start, calls, stopping } = createWorld();
    const { done, pointNow } = start(3600);
    for (let points = 1; points <= 3; points += 1) {
      while (calls.filter((call) => call === 'cut').length < points) await new Promise(setImmediate);
      expect(calls.filter((call) => call === 'cut')).toHaveLength(points);
      pointNow();
    }
    stopping.abort();
    await done;
  });

  it('cuts once more when asked to during a cut', async () => {
    const calls: string[] = [];
    const cut = async (): Promise<void> => {
      calls.push('cut');
      if (calls.length === 1) world.pipeline.pointNow();
    };
    const { start, stopping } = createWorld({ cut });
    const world = { pipeline: start(3600) };
    while (calls.length < 2) await new Promise(setImmediate);
    stopping.abort();
    await world.pipeline.done;
    expect(calls).toEqual(['cut', 'cut']);
  });

  it('tells of a cut that did not converge and goes on', async () => {
    const calls: string[] = [];
    const { start, told, stopping } = createWorld({ cut: failing(2, notConverged, async () => void calls.push('cut')) }, calls);
    const { done } = start();
    while (!calls.includes('cut')) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(told).toEqual([
      { type: 'skipped', why: 'too busy' },
      { type: 'skipped', why: 'too busy' },
    ]);
  });

  it('waits for the vault while the log is full', async () => {
    const calls: string[] = [];
    const { start, stopping } = createWorld(
      { copy: failing(1, full, async () => undefined), cut: failing(1, full, async () => void calls.push('cut')) },
      calls,
    );
    const { done } = start();
    while (!calls.includes('cut')) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(calls.slice(0, 3)).toEqual(['drained', 'drained', 'cut']);
  });

  it('says so when a cut does not even fit into an empty log', async () => {
    const { start } = createWorld({ cut: () => Promise.reject(full) });
    await expect(start().done).rejects.toBe(full);
  });

  it.each<[string, Partial<PipelineOptions['capture']>, Partial<PipelineOptions>]>([
    ['the capture loses continuity', { failure: theEnd() }, {}],
    ['a cut fails', { cut: () => theEnd() }, {}],
    ['the copy fails', { copy: () => theEnd() }, {}],
    ['the vault refuses', {}, { pump: { wake: () => undefined, drained: async () => undefined, failure: theEnd() } }],
  ])('ends when %s', async (_, parts, overrides) => {
    const { start, stopping } = createWorld(parts);
    await expect(start(0.001, overrides).done).rejects.toThrow('the end');
    stopping.abort();
  });
});
