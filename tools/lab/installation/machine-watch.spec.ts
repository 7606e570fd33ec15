import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../host/until.ts';
import { createTotals, type MachineWatch, watchMachine } from './machine-watch.ts';
import type { AgentCounters, MachineShown } from './read-figures.ts';

const counters = (changedBytes: number, sentBytes = 0, conflicts = 0): AgentCounters => ({ changedBytes, sentBytes, conflicts });
const shown = (more: Partial<MachineShown>): MachineShown => ({
  connected: true,
  state: 'copying',
  newestPoint: undefined,
  points: 0,
  disks: [],
  ...more,
});

describe('totals', () => {
  it('go on when an agent begins to count anew', () => {
    const totals = createTotals();
    for (const value of [5, 9, 2, 2, 4, 1]) totals.add(counters(value, value * 10));
    expect(totals.total).toEqual(counters(9 + 4 + 1, 140));
  });
});

describe('a machine that is watched', () => {
  let watch: MachineWatch;
  afterEach(() => watch.stop());

  /** Plays one scene a look; the last one stays. */
  const play = (...scenes: readonly [MachineShown | Error, AgentCounters | undefined][]) => {
    let looks = 0;
    const scene = () => scenes[Math.min(looks, scenes.length - 1)]!;
    watch = watchMachine({
      count: async () => scene()[1],
      look: async () => {
        const [now] = scene();
        looks += 1;
        if (now instanceof Error) throw now;
        return now;
      },
      everyMs: 1,
      patienceMs: 0,
    });
    return { allPlayed: () => until('all scenes', () => looks > scenes.length, { seconds: 50, everyMilliseconds: 1 }) };
  };

  it('shows its copy, then its points and what was sent after the first', async () => {
    const disks = [
      { id: '1', name: 'a', size: 100, copied: 100 },
      { id: '2', name: 'b', size: 50, copied: 30 },
    ];
    const { allPlayed } = play(
      [shown({ state: 'unprotected', disks }), undefined],
      [shown({ disks }), counters(70, 7, 1)],
      [shown({ newestPoint: 1000 }), counters(80, 8, 1)],
      [shown({ newestPoint: 1000 }), undefined],
      [shown({ newestPoint: 2000 }), counters(5, 1, 1)],
    );
    await allPlayed();
    expect(watch.figures).toEqual({ changed: 5, sent: 1, skipped: 1, points: [1000, 2000], copying: { done: 130, total: 150 } });
  });

  it('that no longer answers is a failure', async () => {
    play([shown({}), undefined], [new Error('nobody there'), undefined]);
    await expect(watch.failure).rejects.toThrow('nobody there');
  });

  it('is looked at no more once nobody wants to know', async () => {
    const over = new AbortController();
    let looks = 0;
    watch = watchMachine({
      count: async () => undefined,
      look: async () => {
        looks += 1;
        throw new Error('nobody answers');
      },
      signal: over.signal,
      everyMs: 1,
      patienceMs: 600_000,
    });
    await until('a look', () => looks > 1, { seconds: 50, everyMilliseconds: 1 });
    over.abort();
    const before = looks;
    // Though its patience has not ended.
    await sleep(50);
    expect(looks).toBe(before);
  });
});
