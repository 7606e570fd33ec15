import type { Log } from '@holdfast/daemon';
import { createMemoryStore } from '@holdfast/object-store';
import { createVault, type Vault } from '@holdfast/vault';
import type { Assignment } from '../control/assignments.ts';
import { createEvents } from '../control/events.ts';
import { createKeeper } from './keeper.ts';

const EVERY = 90_000;
const LONGEST_GAP = 1000;
const silent = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;
const machine = (number: number, retention = ''): Assignment => {
  const machineId = number.toString(16).padStart(32, '0');
  return { machineId, machineName: 'db1', vault: 'main', seenTerm: 0, retention, sealInterval: 0, rpoThreshold: 0 };
};
const many = (count: number): Assignment[] => Array.from({ length: count }, (_, index) => machine(index + 1));

describe('turns of the machines of a keeper', () => {
  let vault: Vault;
  let machines: Assignment[];
  let time: number;
  let sequenceOf: (machineId: string) => number;
  let isAway: (machineId: string) => boolean;
  let turns: { readonly at: number; readonly machineId: string }[];
  const times = (wanted: string): number[] => turns.filter(({ machineId }) => machineId === wanted).map(({ at }) => at);

  beforeEach(async () => {
    // Nobody has written to it: a turn is over as soon as it is seen that a machine is not there.
    vault = await createVault(createMemoryStore(), { name: 'test', keys: [{ kind: 'key-file', secret: Buffer.alloc(32, 3) }] });
    time = 0;
    turns = [];
    // Ten objects a second.
    sequenceOf = () => time / 100;
    isAway = () => false;
  });
  afterEach(() => vault.close());

  /** Until `slept`, which is told of each pause, says that it was the last. */
  const keep = async (slept: (wake: () => void) => boolean): Promise<void> => {
    const stop = new AbortController();
    /** Whose anchor was asked for last: a turn begins so. */
    let machineId = '';
    const keeper = createKeeper({
      machines: () => machines,
      vault: async () => {
        turns.push({ at: time, machineId });
        if (isAway(machineId)) throw new Error('away');
        return vault;
      },
      scrubbed: async () => vault,
      anchorOf: (asked) => {
        machineId = asked;
        return { sequence: sequenceOf(asked), tag: '', term: 1 };
      },
      every: EVERY,
      scrubEvery: EVERY,
      tiers: {},
      log: silent,
      events: createEvents(),
      now: () => time,
      sleep: async (milliseconds, signal) => {
        if (slept(() => keeper.wake())) stop.abort();
        if (signal?.aborted !== true) time += milliseconds;
      },
    });
    await keeper.keep(stop.signal);
  };

  it('come once in the time between two looks, one after the other, however many are new at once', async () => {
    machines = many(180);
    await keep(() => time >= 2.5 * EVERY);
    for (const { machineId } of machines) {
      const [first = Number.NaN, second = Number.NaN] = times(machineId);
      expect(first).toBeLessThan(EVERY);
      expect(second - first).toBeGreaterThanOrEqual(EVERY);
      expect(second - first).toBeLessThan(EVERY + LONGEST_GAP);
    }
    expect(new Set(turns.map(({ at }) => at)).size).toBe(turns.length);
  });

  it('come four times as seldom for those whose logs hardly grow', async () => {
    machines = many(2);
    const [busy, quiet] = machines.map(({ machineId }) => machineId);
    sequenceOf = (machineId) => (machineId === busy ? time / 1000 : time / 10_000);
    await keep(() => time >= 8.3 * EVERY);
    const gaps = (machineId: string): number[] => times(machineId).flatMap((at, index, all) => (index === 0 ? [] : [at - all[index - 1]!]));
    expect(gaps(busy!).length).toBeGreaterThanOrEqual(8);
    expect(Math.max(...gaps(busy!))).toBeLessThan(EVERY + 2 * LONGEST_GAP);
    expect(gaps(quiet!)).toHaveLength(2);
    expect(Math.min(...gaps(quiet!))).toBeGreaterThanOrEqual(4 * EVERY);
  });

  it('come as often as for others where one failed, however quiet the machine', async () => {
    machines = many(2);
    const [failed, quiet] = machines.map(({ machineId }) => machineId);
    sequenceOf = () => 0;
    isAway = (machineId) => machineId === failed && time < 2 * EVERY;
    await keep(() => time >= 7.3 * EVERY);
    const [first, second, third, fourth] = times(failed!);
    for (const gap of [second! - first!, third! - second!]) expect(gap).toBeLessThan(EVERY + 2 * LONGEST_GAP);
    expect(fourth! - third!).toBeGreaterThanOrEqual(4 * EVERY);
    expect(times(quiet!)).toHaveLength(2);
  });

  it('come soon where there are few, and at once for one that is new or has another retention', async () => {
    machines = many(3);
    await keep((wake) => {
      if (turns.length === 3 && machines.length === 3) {
        machines = [machine(1), machine(2, '24h'), machine(3), machine(4)];
        wake();
      }
      return turns.length >= 5;
    });
    expect(turns.map(({ machineId }) => Number.parseInt(machineId, 16))).toEqual([1, 2, 3, 2, 4]);
    expect(turns.at(-1)!.at).toBeLessThanOrEqual(4 * LONGEST_GAP);
  });

  it('go on when the clock is set back', async () => {
    machines = many(2);
    let isBack = false;
    let slept = 0;
    await keep(() => {
      slept += 1;
      if (turns.length === 2 && !isBack) {
        isBack = true;
        time -= 100 * EVERY;
      }
      return turns.length >= 4 || slept > 20;
    });
    expect(turns).toHaveLength(4);
  });
});
