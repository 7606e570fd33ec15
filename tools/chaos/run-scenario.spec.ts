import { existsSync } from 'node:fs';
import { randomBelow } from '../lab/random.ts';
import { type RunLength, runScenario } from './run-scenario.ts';
import type { Scenario, Verdict } from './scenario.ts';
import { complaintsOf, formatTally, statusOf } from './tally.ts';

/** What can be wrong with the fake product. */
type Defect = 'none' | 'serves a wrong point' | 'loses a write' | 'resyncs for nothing' | 'throws' | 'hangs' | 'throws in the fault';

/**
 * A product in memory: writes are acknowledged and kept, a kill makes it resynchronize, each verification compares one point per write
 * with what the oracle remembers. `seen` notes everything that happens, with the random numbers it drew.
 */
const createFake = (defect: Defect) => {
  const seen: string[] = [];
  let place = '';
  let disposed = 0;
  const scenario: Scenario = {
    name: 'fake',
    about: 'a list of numbers',
    tools: [],
    setup: async ({ directory, random }) => {
      place = directory;
      seen.push(`setup ${random()}`);
      const oracle: number[] = [];
      const product: number[] = [];
      let resyncs: Verdict['resyncs'] = [];
      const verdict = (): Verdict => ({
        points: product.length,
        wrong: oracle.flatMap((value, at) => (product[at] !== undefined && product[at] !== value ? [`point ${at} is ${product[at]}`] : [])),
        lost: product.length < oracle.length ? [`${oracle.length - product.length} writes`] : [],
        resyncs,
      });
      return {
        steps: {
          write: {
            weight: 3,
            run: async (drawn) => {
              const value = randomBelow(drawn, 1000);
              seen.push(`write ${value}`);
              oracle.push(value);
              if (defect === 'throws') throw new Error('disk on fire');
              if (defect === 'hangs') await new Promise(() => {});
              if (defect !== 'loses a write') product.push(defect === 'serves a wrong point' ? value + 1 : value);
            },
          },
          idle: { weight: 1, run: async () => {} },
        },
        faults: {
          kill: {
            weight: 1,
            run: async () => {
              seen.push('kill');
              if (defect === 'throws in the fault') throw new Error('cannot kill');
              resyncs = [{ reason: 'restarted', explainedBy: defect === 'resyncs for nothing' ? undefined : 'kill' }];
            },
          },
        },
        verify: async () => {
          const found = verdict();
          resyncs = [];
          return found;
        },
        dispose: async () => {
          disposed += 1;
        },
      };
    },
  };
  return { scenario, seen, place: () => place, disposed: () => disposed };
};

const run = async (defect: Defect, length: RunLength, { seed = 11, stop = new AbortController().signal, eventLimitMs = 60_000 } = {}) => {
  const fake = createFake(defect);
  const lines: string[] = [];
  const tally = await runScenario(fake.scenario, { seed, length, stop, eventLimitMs, print: (line) => lines.push(line) });
  expect(fake.disposed()).toBe(1);
  expect(existsSync(fake.place())).toBe(false);
  return { tally, lines, seen: fake.seen, status: statusOf(tally, stop.aborted) };
};

describe('a chaos run', () => {
  it('ends well when all is well, having counted faults, points and resyncs', async () => {
    const { tally, status, seen } = await run('none', { events: 200 });
    const kills = seen.filter((line) => line === 'kill').length;
    expect(status).toBe(0);
    expect(complaintsOf(tally)).toEqual([]);
    expect(kills).toBeGreaterThan(10);
    expect(formatTally(tally)).toBe(
      `${kills} faults, ${tally.points} points verified, ${tally.resyncs.length} resyncs (each explained), 0 wrong, 0 lost`,
    );
  });

  it.each<[Defect, RegExp, RegExp]>([
    ['serves a wrong point', /^wrong: point 0 is \d+$/, /[1-9]\d* wrong, 0 lost$/],
    ['loses a write', /^lost: \d+ writes$/, /0 wrong, 1 lost$/],
    ['resyncs for nothing', /^resync nobody can explain: restarted$/, /1 resyncs \(1 unexplained\), 0 wrong, 0 lost$/],
    ['throws', /^broken: #\d+ step write: Error: disk on fire/, /0 wrong, 0 lost$/],
    ['throws in the fault', /^broken: #\d+ fault kill: Error: cannot kill/, /^0 faults/],
  ])('fails and says how to get there again when the product %s', async (defect, complaint, last) => {
    const { tally, status, lines } = await run(defect, { events: 200 });
    expect(status).toBe(1);
    expect(complaintsOf(tally)[0]).toMatch(complaint);
    expect(formatTally(tally)).toMatch(last);
    const [, events] = /^again: npm run chaos -- --scenario fake --seed 11 --events (\d+)$/.exec(lines.at(-1)!) ?? [];
    const again = await run(defect, { events: Number(events) });
    expect(again.tally.broken.length).toBe(tally.broken.length);
    expect(again.tally).toMatchObject({ wrong: tally.wrong, lost: tally.lost, resyncs: tally.resyncs, points: tally.points });
  });

  it('fails when an event never ends', async () => {
    const { tally, status } = await run('hangs', { events: 200 }, { eventLimitMs: 20 });
    expect(status).toBe(1);
    expect(complaintsOf(tally)[0]).toMatch(/^broken: #\d+ step write: .*did not end within 0.02 s/);
  });

  it('does the same for the same seed and something else for another', async () => {
    const [one, same, other] = [
      await run('none', { events: 80 }),
      await run('none', { events: 80 }),
      await run('none', { events: 80 }, { seed: 12 }),
    ];
    expect(one.seen).toEqual(same.seen);
    expect(one.seen).not.toEqual(other.seen);
  });

  it('that is limited by time ends after a verification', async () => {
    const { lines, status } = await run('none', { minutes: 0 });
    expect(lines.at(-1)).toMatch(/ verify verify /);
    expect(status).toBe(0);
  });

  it('that is limited by time and events ends at whichever comes first', async () => {
    expect((await run('none', { minutes: 0, events: 200 })).lines.at(-1)).toMatch(/ verify verify /);
    expect((await run('none', { minutes: 60, events: 9 })).lines).toHaveLength(9);
  });

  it('stops when asked to, cleanly, and says so by its status', async () => {
    const stop = AbortSignal.abort();
    const { lines, status } = await run('none', { minutes: 60 }, { stop });
    expect(lines).toHaveLength(1);
    expect(status).toBe(130);
  });

  it('that verified nothing has failed', async () => {
    const { tally, status } = await run('none', { events: 1 });
    expect(tally.points).toBe(0);
    expect(status).toBe(1);
  });

  it('leaves no directory behind when the set-up fails', async () => {
    let place = '';
    const setup: Scenario['setup'] = async ({ directory }) => {
      place = directory;
      throw new Error('no disk');
    };
    const options = { seed: 1, length: { events: 1 }, print: () => {}, stop: new AbortController().signal, eventLimitMs: 1000 };
    await expect(runScenario({ name: 'fake', about: '', tools: [], setup }, options)).rejects.toThrow('no disk');
    expect(existsSync(place)).toBe(false);
  });
});
