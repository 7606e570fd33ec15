import { createStall, STEP } from './stall.ts';

describe('the watch over an attempt', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('ends an attempt that is not answered', () => {
    const { signal } = createStall(30_000, 'thing');
    jest.advanceTimersByTime(29_999);
    expect(signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(signal.reason).toMatchObject({ code: 'STORE_UNAVAILABLE', thing: 'thing', why: expect.stringContaining('30 s') });
  });

  it('gives time for what moves', () => {
    const stall = createStall(30_000, 'thing');
    for (let moved = 0; moved < 100; moved += 1) {
      jest.advanceTimersByTime(29_000);
      stall.moved(STEP);
    }
    expect(stall.signal.aborted).toBe(false);
    jest.advanceTimersByTime(30_000);
    expect(stall.signal.aborted).toBe(true);
  });

  it('gives none for a trickle', () => {
    const stall = createStall(30_000, 'thing');
    for (let moved = 0; moved < 30; moved += 1) {
      jest.advanceTimersByTime(1000);
      stall.moved(100);
    }
    expect(stall.signal.aborted).toBe(true);
  });

  it('does nothing any more after the end', () => {
    const stall = createStall(30_000, 'thing');
    stall.end();
    expect(jest.getTimerCount()).toBe(0);
  });
});
