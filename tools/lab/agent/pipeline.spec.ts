import { HoldfastError } from '@holdfast/errors';
import type { Capture, Proposal } from '@holdfast/mobility-agent';
import type { CutContent } from '@holdfast/protocol';
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

const createWorld = (parts: Partial<PipelineOptions['capture']> = {}) => {
  const told: AgentMessage[] = [];
  const calls: string[] = [];
  const stopping = new AbortController();
  const counted = async (name: string): Promise<void> => void calls.push(name);
  const capture: PipelineOptions['capture'] = {
    copy: () => counted('copy'),
    propose: () => counted('propose').then(() => ({}) as Proposal),
    publish: () => counted('publish').then(() => ({}) as CutContent),
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
    while (calls.filter((call) => call === 'publish').length < 3) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(calls.slice(0, 7)).toEqual(['copy', 'propose', 'publish', 'wake', 'propose', 'publish', 'wake']);
    expect(calls.at(-1)).toBe('drained');
  });

  it('cuts at once when asked to, whatever the interval', async () => {
    const { start, calls, stopping } = createWorld();
    const { done, pointNow } = start(3600);
    for (let points = 1; points <= 3; points += 1) {
      while (calls.filter((call) => call === 'publish').length < points) await new Promise(setImmediate);
      expect(calls.filter((call) => call === 'publish')).toHaveLength(points);
      pointNow();
    }
    stopping.abort();
    await done;
  });

  it('tells of a cut that did not converge and goes on', async () => {
    const { start, calls, told, stopping } = createWorld({ propose: failing(2, notConverged, async () => ({}) as Proposal) });
    const { done } = start();
    while (!calls.includes('publish')) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(told).toEqual([
      { type: 'skipped', why: 'too busy' },
      { type: 'skipped', why: 'too busy' },
    ]);
  });

  it('waits for the vault while the log is full', async () => {
    const { start, calls, stopping } = createWorld({
      copy: failing(1, full, async () => undefined),
      propose: failing(1, full, async () => ({}) as Proposal),
    });
    const { done } = start();
    while (!calls.includes('publish')) await new Promise(setImmediate);
    stopping.abort();
    await done;
    expect(calls.slice(0, 3)).toEqual(['wake', 'wake', 'publish']);
  });

  it.each<[string, Partial<PipelineOptions['capture']>, Partial<PipelineOptions>]>([
    ['the capture loses continuity', { failure: theEnd() }, {}],
    ['a cut fails', { propose: () => theEnd() }, {}],
    ['the copy fails', { copy: () => theEnd() }, {}],
    ['the vault refuses', {}, { pump: { wake: () => undefined, drained: async () => undefined, failure: theEnd() } }],
  ])('ends when %s', async (_, parts, overrides) => {
    const { start, stopping } = createWorld(parts as Partial<Capture>);
    await expect(start(0.001, overrides).done).rejects.toThrow('the end');
    stopping.abort();
  });
});
