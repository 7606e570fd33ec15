import { createStateRunner } from './state-runner.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('states and their handler', () => {
  it('meet one after the other; of those that come during a call only the newest', async () => {
    const seen: string[] = [];
    let gate = Promise.withResolvers<void>();
    const runner = createStateRunner<number>(
      async (state) => {
        seen.push(`begin ${state}`);
        await gate.promise;
        seen.push(`end ${state}`);
      },
      () => undefined,
    );
    runner.give(1);
    await tick();
    runner.give(2);
    runner.give(3);
    await tick();
    expect(seen).toEqual(['begin 1']);
    gate.resolve();
    await runner.idle();
    expect(seen).toEqual(['begin 1', 'end 1', 'begin 3', 'end 3']);
    gate = Promise.withResolvers();
    gate.resolve();
    runner.give(4);
    await runner.idle();
    expect(seen.at(-1)).toBe('end 4');
  });

  it('go on after a call that failed', async () => {
    const results: unknown[] = [];
    const runner = createStateRunner<number>(
      (state) => {
        if (state === 1) throw new Error('no');
      },
      (failure) => void results.push(failure),
    );
    runner.give(1);
    await runner.idle();
    runner.give(2);
    await runner.idle();
    expect(results).toEqual([expect.objectContaining({ message: 'no' }), undefined]);
  });
});
