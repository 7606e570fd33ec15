import { createInterruption, unlessAborted } from './interruption.ts';

describe('an interruption', () => {
  it('comes by signal, once, and gives the signals back', async () => {
    let again = 0;
    const before = process.listenerCount('SIGHUP');
    const interruption = createInterruption(() => {
      again += 1;
    });
    const waiting = unlessAborted(interruption.signal, new Promise<never>(() => undefined));
    process.emit('SIGHUP', 'SIGHUP');
    await expect(waiting).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    await expect(unlessAborted(interruption.signal, Promise.resolve(1))).rejects.toMatchObject({ code: 'INTERRUPTED' });
    process.emit('SIGHUP', 'SIGHUP');
    expect(again).toBe(1);
    interruption.release();
    expect(process.listenerCount('SIGHUP')).toBe(before);
  });

  it('is told at the end of a run as well', () => {
    const interruption = createInterruption(() => undefined);
    expect(interruption.signal.aborted).toBe(false);
    interruption.release();
    expect(interruption.signal.reason).toMatchObject({ code: 'INTERRUPTED', why: 'it is over' });
  });

  it('changes nothing when it does not come', async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(signal, Promise.resolve(1))).toBe(1);
    await expect(unlessAborted(signal, Promise.reject(new Error('other')))).rejects.toThrow('other');
  });
});
