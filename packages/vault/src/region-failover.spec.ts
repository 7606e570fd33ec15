import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { createCopiedStore } from '@holdfast/object-store';
import fc from 'fast-check';
import { checkMachine } from './check-machine.ts';
import { keepMachine } from './keep-machine.ts';
import { openLogWriter } from './log-writer.ts';
import { readMachine } from './read-machine.ts';
import { rebuildCatalogue } from './rebuild-catalogue.ts';
import { compareView } from './testing/compare.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { createTestVault, throughStore } from './testing/open-test-vault.ts';
import { epochOf, type MadeCut, SimulatedSource } from './testing/simulated-source.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WINDOW = 15 * MINUTE;
const SMALL = { limits: { size: 12_000, entries: 20 }, unitFrames: 6, fanIn: 4, minCuts: 2, thinAtOnce: 1, clock: fastClock };

/** Numbers in [0, 1) from a seed. */
const createRandom = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
};

interface Outcome {
  readonly rebuilt: boolean;
  readonly lost: number;
}

/**
 * Two days of a machine with a writer and a keeper, then its region is gone; the other one has an older copy without order. `grace` is that of the keeper,
 * and has to be longer than the copy's delay.
 */
const failOver = async (seed: number, grace: number): Promise<Outcome> => {
  const random = createRandom(seed);
  let now = Date.UTC(2026, 0, 1);
  const copied = createCopiedStore({ now: () => now });
  const source = new SimulatedSource([40_000]);
  const vault = await createTestVault(source, copied.store);
  const cuts: { readonly made: MadeCut; readonly time: number }[] = [];
  const steps = 20 + Math.floor(random() * 20);
  for (let step = 0; step < steps; step += 1) {
    const writer = await openLogWriter(vault, source.machineId, { clock: fastClock, checkpoint: { slots: 2 } });
    for (let n = 0; n < 2; n += 1) {
      source.write(source.disks[0]!, Math.floor(random() * 9), 1, 1 + Math.floor(random() * 250));
      const made = await source.cut({ time: now });
      await writer.append(made.content);
      await settled();
      cuts.push({ made, time: now });
      now += 2 * MINUTE;
    }
    await writer.close();
    if (random() < 0.5 || step >= steps - 2)
      await keepMachine(vault, source.machineId, { ...SMALL, grace, policy: { rules: [], atLeast: 4 } });
    if (step >= steps - 2) now += MINUTE;
    else now += random() < 0.4 ? 4 * MINUTE : Math.floor(3 * HOUR * random());
  }
  const copy = await copied.copy({ window: WINDOW, loses: () => random() < 0.4 });
  const safe = cuts.filter(({ time }) => time < now - WINDOW).map(({ made }) => made.pointId);
  const here = (await readMachine(vault, source.machineId)).points.map(({ id }) => id);

  const other = await throughStore(copy);
  let history = await readMachine(other, source.machineId);
  const rebuilt = history.damage.length > 0 || (await checkMachine(history)).findings.length > 0;
  if (rebuilt) {
    await rebuildCatalogue(other, source.machineId, { clock: fastClock });
    history = await readMachine(other, source.machineId);
  }
  const there = history.points.map(({ id }) => id);
  // All that was kept and is older than the delay is there, in order and whole. What is newer is there and whole, or refused by name, or not there.
  expect(there.filter((id) => safe.includes(id) && here.includes(id))).toEqual(here.filter((id) => safe.includes(id)));
  const whole: MadeCut[] = [];
  for (const id of there) {
    const { made } = cuts.find((cut) => cut.made.pointId === id)!;
    const wrong = await compareView(history, made, source.disks[0]!.id).catch((reason: unknown) => {
      if (safe.includes(id) || !isHoldfastError(reason, 'DAMAGED')) throw reason;
      return 'refused';
    });
    if (wrong === undefined) whole.push(made);
    else expect(wrong).toBe('refused');
  }
  // The source goes on from the newest that is whole.
  const last = whole.at(-1)!;
  const [disk] = source.disks;
  source.startGeneration(disk!, epochOf(last, disk!), last.expected.get(disk!.id)!);
  source.write(disk!, 3, 1, 99);
  const next = await source.cut({ time: now });
  const writer = await openLogWriter(other, source.machineId, { clock: fastClock, seenTerm: 1000 });
  await writer.append(next.content);
  await writer.close();
  expect(await compareView(await readMachine(other, source.machineId), next, disk!.id)).toBeUndefined();
  return { rebuilt, lost: here.filter((id) => !there.includes(id)).length };
};

describe('the other region of a store', () => {
  it('holds every point that is older than the delay of its copy, whatever newer operations are missing', async () => {
    let rebuilt = 0;
    let lost = 0;
    for (let seed = 1; seed <= 6; seed += 1) {
      const outcome = await failOver(seed * 7_654_321, 24 * HOUR);
      rebuilt += Number(outcome.rebuilt);
      lost += outcome.lost;
    }
    expect(lost).toBeGreaterThan(0);
    expect(rebuilt).toBeGreaterThan(0);
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => void (await failOver(seed, 24 * HOUR))),
      { numRuns: 4 },
    );
  }, 120_000);

  it('would not, if keepers deleted sooner than the copy follows', async () => {
    const errors: unknown[] = [];
    for (let seed = 1; seed <= 40 && errors.length === 0; seed += 1)
      await failOver(seed, 0).catch((reason: unknown) => {
        if (!(reason instanceof HoldfastError) && !(reason as Error).message.includes('expect(')) throw reason;
        errors.push(reason);
      });
    expect(errors).toHaveLength(1);
  }, 120_000);
});
