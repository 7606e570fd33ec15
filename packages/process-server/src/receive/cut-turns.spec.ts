import { createCutTurns } from './cut-turns.ts';

const never = new AbortController().signal;

/** Does `work` in a turn and notes how many do so at the same time. */
const crowd = async (turns: ReturnType<typeof createCutTurns>, count: number) => {
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const leave = await turns.enter(never);
      order.push(index);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise(setImmediate);
      inside -= 1;
      leave();
      // Twice does not end the turn of another.
      leave();
    }),
  );
  return { order, most };
};

describe('turns of cuts', () => {
  it('are everybody at the same time, until they are narrowed', async () => {
    let now = 0;
    const turns = createCutTurns(() => now);
    expect((await crowd(turns, 5)).most).toBe(5);
    turns.narrow();
    expect(await crowd(turns, 5)).toEqual({ order: [0, 1, 2, 3, 4], most: 1 });
    turns.widen();
    expect(turns.isNarrow).toBe(true);
    now = 300_000;
    turns.widen();
    expect((await crowd(turns, 5)).most).toBe(5);
  });

  it('pass over who has gone, and stay narrow while somebody waits', async () => {
    let now = 0;
    const turns = createCutTurns(() => now);
    turns.narrow();
    now = 300_000;
    const leave = await turns.enter(never);
    const gone = new AbortController();
    const waiting = turns.enter(gone.signal);
    const next = turns.enter(never);
    gone.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    turns.widen();
    expect(turns.isNarrow).toBe(true);
    leave();
    (await next)();
    turns.widen();
    expect(turns.isNarrow).toBe(false);
    await expect(createNarrow().enter(gone.signal)).rejects.toThrow('gone');
  });
});

const createNarrow = () => {
  const turns = createCutTurns();
  turns.narrow();
  return turns;
};
