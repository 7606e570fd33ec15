import { pause, sleepUntil } from './waits.ts';

const DAY = 86_400_000;
const never = new AbortController().signal;

describe('waits', () => {
  afterEach(() => jest.restoreAllMocks());
  /** What the clock on the wall shows from now on, beside the real one. */
  const setClock = (by: number): void => {
    const real = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => real() + by);
  };

  it('last as long as they shall though the clock is set back meanwhile', async () => {
    const began = performance.now();
    const waiting = pause(50, never);
    setClock(-DAY);
    await waiting;
    expect(performance.now() - began).toBeGreaterThan(40);
  });

  it('until a time of the clock do not end before it, whatever the clock was', async () => {
    const stop = new AbortController();
    let isOver = false;
    const waiting = sleepUntil(Date.now() + 50, stop.signal).then(() => {
      isOver = true;
    });
    setClock(-DAY);
    await pause(100, never);
    expect(isOver).toBe(false);
    stop.abort();
    await waiting;
  });

  it('end at once when they are told to', async () => {
    const stop = new AbortController();
    const waits = [pause(DAY, never, stop.signal), sleepUntil(Date.now() + DAY, stop.signal)];
    stop.abort();
    await Promise.all(waits);
    await pause(DAY, stop.signal);
  });
});
