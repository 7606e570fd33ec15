import { until } from './until.ts';

describe('waiting for a condition', () => {
  it('ends when it is true, in vain after its time, and at the signal', async () => {
    const answers = [false, false, true];
    await until('it', () => answers.shift()!, { seconds: 10, everyMilliseconds: 1 });
    expect(answers).toEqual([]);
    await expect(until('it', () => false, { seconds: 0, everyMilliseconds: 1 })).rejects.toMatchObject({ code: 'IO_FAILED', thing: 'it' });
    await expect(until('it', () => false, { seconds: 10, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('abort');
  });
});
