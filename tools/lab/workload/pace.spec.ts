import { createPace } from './pace.ts';

describe('a pace', () => {
  it('makes up for a short delay and forgets a long one', async () => {
    let time = 0;
    const pace = createPace(1000, () => time);
    time = 10_000;
    await pace();
    // Ten seconds late, of which a quarter is made up for: the next steps come at once until that is caught up with.
    const before = performance.now();
    for (let step = 0; step < 200; step += 1) await pace();
    expect(performance.now() - before).toBeLessThan(5000);
  });
});
