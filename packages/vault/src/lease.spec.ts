import { HoldfastError } from '@holdfast/errors';
import { type FaultPlan, withFaults } from '@holdfast/object-store';
import type { Clock } from './clock.ts';
import { listHolds } from './hold.ts';
import { keepMachine } from './keep-machine.ts';
import { leaseMachine } from './lease.ts';
import { throughStore } from './testing/open-test-vault.ts';
import { WriterBench } from './testing/writer-bench.ts';
import { openView } from './view.ts';

/** A clock that goes on when it is told to. */
const steppedClock = () => {
  const waiting = new Set<() => void>();
  const clock: Clock = {
    now: Date.now,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      }),
  };
  const step = async (): Promise<void> => {
    await until(() => waiting.size > 0);
    for (const wake of [...waiting]) wake();
    await until(() => waiting.size > 0);
  };
  return { clock, step };
};

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come true');
    await new Promise(setImmediate);
  }
};

describe('a lease', () => {
  let bench: WriterBench;
  const keeping = { policy: { rules: [], atLeast: 3 }, thinAtOnce: 1, minCuts: 1, grace: 0 } as const;
  beforeEach(async () => {
    bench = await WriterBench.create();
  });
  afterEach(() => bench.close());

  const written = async (count: number) => {
    const cuts = await bench.cuts(count);
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of cuts) await writer.append(content);
    await writer.close();
    return cuts;
  };

  it('keeps a point that retention would forget, and all its bytes, while views read it; afterwards the point goes', async () => {
    const [first] = await written(8);
    const disk = bench.source.disks[0]!;
    const { clock } = steppedClock();
    const lease = await leaseMachine(bench.vault, bench.source.machineId, { points: [first!.pointId!], reason: 'a test', clock });
    expect(lease.held).toBe(true);
    const view = await openView(lease.history, first!.pointId!, disk.id, { cacheBytes: 0 });
    for (let pass = 0; pass < 3; pass += 1) await keepMachine(bench.vault, bench.source.machineId, keeping);
    const content = Buffer.alloc(view.size);
    await view.read(0, content);
    expect(content.equals(first!.expected.get(disk.id)!.content)).toBe(true);
    expect((await bench.read()).points.map(({ id }) => id)).toContain(first!.pointId);
    await view.close();
    await lease.close();
    expect(await listHolds(bench.vault, bench.source.machineId)).toEqual([]);
    for (let pass = 0; pass < 3; pass += 1) await keepMachine(bench.vault, bench.source.machineId, keeping);
    expect((await bench.read()).points.map(({ id }) => id)).not.toContain(first!.pointId);
  });

  it('is renewed by another hold on the same version before the old one goes, also after failures, which are told in time', async () => {
    const cuts = await written(3);
    const point = cuts[0]!.pointId!;
    let plan: FaultPlan = () => undefined;
    const vault = await throughStore(withFaults(bench.store, (call) => plan(call)));
    const { clock, step } = steppedClock();
    const troubles: HoldfastError[] = [];
    const lease = await leaseMachine(vault, bench.source.machineId, {
      points: [point],
      reason: 'a test',
      lasts: 1000,
      clock,
      onTrouble: (reason) => troubles.push(reason),
    });
    const holds = () => listHolds(bench.vault, bench.source.machineId);
    const [before] = await holds();
    await step();
    const [after, ...others] = await holds();
    expect(others).toEqual([]);
    expect(after).toMatchObject({ catalogue: before!.catalogue, points: [point], reason: 'a test' });
    expect(after!.id).not.toBe(before!.id);
    expect(after!.ends - after!.created).toBe(1000);

    const away = new HoldfastError('STORE_UNAVAILABLE', { thing: 'store', why: 'it is away', remedy: 'wait' });
    plan = ({ request }) => (request === 'create' ? { before: away } : undefined);
    await step();
    await step();
    expect(troubles).toEqual([]);
    await step();
    expect(troubles).toEqual([away]);
    plan = () => undefined;
    await step();
    expect((await holds())[0]!.id).not.toBe(after!.id);
    await lease.close();
    expect(await holds()).toEqual([]);
  });

  it('that is not closed ends by itself: it says for how long it lasts', async () => {
    const cuts = await written(8);
    const { clock } = steppedClock();
    await leaseMachine(bench.vault, bench.source.machineId, { points: [cuts[0]!.pointId!], reason: 'killed', lasts: 1, clock });
    const [hold] = await listHolds(bench.vault, bench.source.machineId);
    await until(() => Date.now() > hold!.ends + 1);
    // What is created now shows the time.
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    for (const { content } of await bench.cuts(3)) await writer.append(content);
    await writer.close();
    for (let pass = 0; pass < 3; pass += 1) await keepMachine(bench.vault, bench.source.machineId, keeping);
    expect((await bench.read()).points.map(({ id }) => id)).not.toContain(cuts[0]!.pointId);
    expect(await listHolds(bench.vault, bench.source.machineId)).toEqual([]);
  });

  it('is not taken by who may only read', async () => {
    const cuts = await written(3);
    const forbidden = new HoldfastError('NO_PERMISSION', { thing: 'store', why: 'you may only read', remedy: 'ask' });
    const vault = await throughStore(
      withFaults(bench.store, ({ request }) => (request === 'create' || request === 'delete' ? { before: forbidden } : undefined)),
    );
    const lease = await leaseMachine(vault, bench.source.machineId, { points: [cuts[0]!.pointId!], reason: 'a test' });
    expect(lease.held).toBe(false);
    expect(lease.history.points).toHaveLength(3);
    await lease.close();
    expect(await listHolds(bench.vault, bench.source.machineId)).toEqual([]);
  });
});
