import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openHold } from './open-hold.ts';

/** Answers so many orders, then none, as one that was stopped. */
const watchdogThatAnswers = (orders: number): readonly string[] => [
  process.execPath,
  '--eval',
  `let left = ${orders};
   require('node:readline').createInterface({ input: process.stdin }).on('line', () => left-- > 0 && console.log('{"path":"/dev/mapper/one"}'));`,
];
const VOLUME = { group: 'g', name: 'v' };

describe('a hold', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-hold-'));
  });
  afterEach(async () => {
    jest.useRealTimers();
    await rm(directory, { recursive: true, force: true });
  });

  it('waits for a snapshot as long as one may take, and not for ever', async () => {
    const hold = await openHold({ watchdog: watchdogThatAnswers(1), log: path.join(directory, 'log') });
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setInterval', 'Date', 'performance', 'hrtime'] });
    const snapshot = hold.snapshot(VOLUME, 'tag');
    let over = false;
    const told = snapshot.catch((reason: unknown) => {
      over = true;
      return reason;
    });
    jest.advanceTimersByTime(60_000);
    expect(over).toBe(false);
    jest.advanceTimersByTime(200_000);
    expect(await told).toMatchObject({ code: 'HOLD_FAILED' });
    expect((await hold.end()).broken).toContain('SIGKILL');
  });

  it('keeps a snapshot for as long as it is read', async () => {
    const hold = await openHold({ watchdog: watchdogThatAnswers(4), log: path.join(directory, 'log') });
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setInterval', 'Date', 'performance', 'hrtime'] });
    expect(await hold.snapshot(VOLUME, 'tag')).toBe('/dev/mapper/one');
    jest.advanceTimersByTime(24 * 3_600_000);
    // It is alive still.
    await hold.flush([]);
    expect(await hold.end()).toMatchObject({ problems: [] });
  });
});
