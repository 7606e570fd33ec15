import { liveMany } from './many-lives.ts';

describe('many lives', () => {
  it('are as many as wanted, the same for the same seed', async () => {
    const seen: string[] = [];
    const live = async (...life: readonly unknown[]) => {
      seen.push(JSON.stringify(life));
      return { points: 2 };
    };
    expect(await liveMany({ seed: 5, count: 20, troubled: true }, live)).toEqual({ lives: 20, points: 40, wrong: undefined });
    await liveMany({ seed: 5, count: 20, troubled: true }, live);
    expect(seen.slice(0, 20)).toEqual(seen.slice(20));
  });

  it('tell of the one that is wrong, made small', async () => {
    const { wrong } = await liveMany({ seed: 5, count: 200, troubled: false }, async (steps) => {
      if (steps.at(-1)?.do === 'second writer') throw new Error('two writers');
      return { points: 1 };
    });
    expect(wrong).toContain('two writers');
    expect(wrong).toContain('[[{"do":"second writer"}],2000,1]');
  });
});
