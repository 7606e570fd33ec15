import fc from 'fast-check';
import { BLOCK, crashPlan, type Life, lives, liveThrough, Model, NEVER, type Step } from './testing/model.ts';
import { WriterBench } from './testing/writer-bench.ts';

describe('a vault against a plain model of the disks', () => {
  it('holds every point byte for byte, through generations, resizes, pieces, faults, crashes, second writers and changes of keys', async () => {
    const all = { points: 0, catalogues: 0, runs: 0, merges: 0, thinned: 0, aged: 0, nonces: 0 };
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const seen = await liveThrough(...life);
        for (const what of Object.keys(all) as (keyof Life)[]) all[what] += seen[what];
      }),
      { numRuns: 80 },
    );
    const { points, catalogues, runs, merges, thinned, aged, nonces } = all;
    expect(points).toBeGreaterThan(120);
    expect(catalogues).toBeGreaterThan(150);
    expect(runs).toBeGreaterThan(50);
    expect(merges).toBeGreaterThan(5);
    expect(thinned).toBeGreaterThan(20);
    expect(aged).toBeGreaterThan(0);
    expect(nonces).toBeGreaterThan(2000);
  }, 300_000);

  it('survives a kill before and after every single request', async () => {
    const steps: Step[] = [
      { do: 'write', disk: 0, block: 0, blocks: 4, fill: 1, kind: 'data' },
      { do: 'cut', extentsPerFrame: 1, codec: 'raw', wait: true, close: false },
      { do: 'write', disk: 1, block: 2, blocks: 4, fill: 2, kind: 'data' },
      { do: 'cut', extentsPerFrame: 1, codec: 'lz4', wait: false, close: false },
      { do: 'write', disk: 0, block: 1, blocks: 2, fill: 3, kind: 'data' },
      { do: 'cut', extentsPerFrame: 2, codec: 'raw', wait: true, close: false },
    ];
    let killed = 0;
    for (let after = 0; after < 45; after += 1)
      for (const effect of [false, true]) {
        const model = new Model(await WriterBench.create([40_000, 16 * BLOCK]), 10_000, 2);
        const open = model.bench.open.bind(model.bench);
        const plan = crashPlan(after, effect);
        let first = true;
        model.bench.open = async (options) => {
          const withPlan = first;
          first = false;
          return open(options, withPlan ? plan : undefined);
        };
        await model.play(steps);
        killed += 1;
        expect(await model.verify()).toBeUndefined();
        await model.finish();
        expect(await model.verify()).toBeUndefined();
        expect((await model.bench.read()).points).toHaveLength(3);
        await model.bench.close();
      }
    expect(killed).toBe(90);
  }, 300_000);

  it('survives a kill of compaction before and after every single request', async () => {
    const steps: Step[] = [];
    for (let round = 0; round < 5; round += 1) {
      steps.push({ do: 'write', disk: round % 2, block: round, blocks: 3, fill: round + 1, kind: 'data' });
      steps.push({ do: 'cut', extentsPerFrame: 1, codec: 'raw', wait: true, close: false });
    }
    const begun = new Model(await WriterBench.create([40_000, 16 * BLOCK]), 10_000, 1);
    await begun.play(steps);
    await begun.rest();
    let finished = false;
    let killed = 0;
    for (let crash = 0; !finished; crash += 1)
      for (const effect of [false, true]) {
        const model = await begun.fork();
        const before = (await model.bench.objects('')).length;
        await model.compact({ unitFrames: 2, fanIn: 3, crash, effect });
        killed += 1;
        expect(await model.verify()).toBeUndefined();
        const halfway = (await model.bench.objects('')).length;
        await model.compact({ unitFrames: 2, fanIn: 3, crash: undefined, effect });
        finished = halfway > before && (await model.bench.objects('')).length === halfway;
        expect(await model.verify()).toBeUndefined();
        const { catalogue } = (await model.bench.read()).catalogue!;
        expect(catalogue.compacted).toBe(catalogue.cuts);
        await model.bench.close();
      }
    expect(killed).toBeGreaterThan(60);
  }, 300_000);

  it('survives a kill of a keeper before and after every single request', async () => {
    const steps: Step[] = [];
    for (let round = 0; round < 4; round += 1) {
      steps.push({ do: 'write', disk: round % 2, block: round >> 1, blocks: 3, fill: round + 1, kind: 'data' });
      steps.push({ do: 'cut', extentsPerFrame: 1, codec: 'raw', wait: true, close: false });
    }
    const begun = new Model(await WriterBench.create([40_000, 16 * BLOCK]), 10_000, 1);
    await begun.play(steps);
    // Runs whose points were forgotten: who keeps next merges them, and then thins once more.
    await begun.rest();
    await begun.keep({ atLeast: 2, fanIn: NEVER, crash: undefined, effect: false, twice: false });
    await begun.play(steps.slice(4));
    await begun.rest();
    let finished = false;
    let killed = 0;
    for (let crash = 0; !finished; crash += 1)
      for (const effect of [false, true]) {
        const model = await begun.fork();
        finished = await model.keep({ atLeast: 2, fanIn: 2, crash, effect, twice: false });
        killed += 1;
        expect(await model.verify()).toBeUndefined();
        for (let again = 0; again < 3; again += 1) await model.keep({ atLeast: 2, fanIn: 2, crash: undefined, effect, twice: false });
        expect(await model.verify()).toBeUndefined();
        const history = await model.bench.read();
        expect([2, 3]).toContain(history.points.length);
        expect(history.catalogue!.catalogue.tombstones).toEqual([]);
        await model.bench.close();
      }
    expect(killed).toBeGreaterThan(80);
  }, 300_000);

  it('would be found out if it served one byte too old', async () => {
    const model = new Model(await WriterBench.create([40_000, 16 * BLOCK]), 10_000, 2);
    await model.play([
      { do: 'write', disk: 0, block: 0, blocks: 1, fill: 1, kind: 'data' },
      { do: 'cut', extentsPerFrame: 1, codec: 'raw', wait: true, close: false },
    ]);
    expect(await model.verify()).toBeUndefined();
    model.cuts[0]!.expected.get(model.bench.source.disks[0]!.id)!.content[100]! ^= 1;
    expect(await model.verify()).toContain('content differs at byte 100');
  });
});
