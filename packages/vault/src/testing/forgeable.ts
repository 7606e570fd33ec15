// Vaults with wrong contents that are authentic, and what comes of using them.
import { type CutContent, newId } from '@holdfast/protocol';
import fc from 'fast-check';
import { compactMachine } from '../compact-machine.ts';
import { holdMachine } from '../hold.ts';
import { keepMachine } from '../keep-machine.ts';
import { addHolder } from '../keys/holders.ts';
import { rekeyVault } from '../keys/rekey.ts';
import { recordProof } from '../proof.ts';
import { scrubMachine } from '../scrub-machine.ts';
import { recordFailover, recordRelease } from '../takeover.ts';
import { fastClock, settled } from './fast-clock.ts';
import { ForgedVault } from './forged-vault.ts';
import { type Forgery, forge, forgery } from './forgeries.ts';
import { TEST_KEY } from './open-test-vault.ts';
import { useAll } from './use-vault.ts';
import { WriterBench } from './writer-bench.ts';

const LIMITS = { size: 12_000, entries: 20 };

export interface Forgeable {
  readonly machineId: string;
  readonly next: CutContent;
  readonly whole: ForgedVault;
}

/** A vault with an object of every kind, and what its machine would append next. */
export const makeForgeable = async (): Promise<Forgeable> => {
  const bench = await WriterBench.create([40_000, 16_384]);
  const { machineId } = bench.source;
  const { writer } = await bench.open({ segmentSize: 6000, checkpoint: { slots: 3 } });
  const [first, second] = bench.source.disks;
  for (let round = 0; round < 6; round += 1) {
    bench.source.write(first!, round, 3, round + 1);
    bench.source.write(second!, round % 4, 1, round + 65);
    bench.source.change(first!, { offset: 20_480, length: 4096, kind: round === 1 ? 'unreadable' : 'zero' });
    await writer.append(
      (await bench.source.cut({ packing: { extentsPerFrame: 2, codec: (['raw', 'lz4', 'zstd'] as const)[round % 3]! } })).content,
    );
    await settled();
  }
  // Two runs, history that was thinned, and a tail.
  await compactMachine(bench.vault, machineId, { minCuts: 1, unitFrames: 6, limits: LIMITS, fanIn: 1000, clock: fastClock, steps: 2 });
  await keepMachine(bench.vault, machineId, {
    policy: { rules: [], atLeast: 4 },
    thinAtOnce: 1,
    minCuts: 1000,
    fanIn: 1000,
    clock: fastClock,
  });
  const operationId = newId();
  const { points } = await bench.read();
  await recordFailover(bench.vault, machineId, { operationId, pointId: points[0]!.id });
  await recordRelease(bench.vault, machineId, { operationId });
  const proof = new Uint8Array(8);
  await recordProof(bench.vault, machineId, {
    pointId: points[0]!.id,
    time: 5,
    passed: true,
    ...{ report: proof, signature: proof, publicKey: proof, console: proof, screenshot: proof },
  });
  await scrubMachine(bench.vault, machineId, { clock: fastClock });
  await holdMachine(bench.vault, machineId, { points: [points[1]!.id], reason: 'test', clock: fastClock });
  await addHolder(bench.vault, { kind: 'key-file', secret: Buffer.alloc(32, 9) });
  await rekeyVault(bench.vault, [{ key: TEST_KEY }]);
  bench.source.startGeneration(first!);
  const next = await bench.source.cut();
  const whole = await ForgedVault.open(bench.vault);
  await bench.close();
  return { machineId, next: next.content, whole };
};

/** Some changes of a vault. */
export const forgeries: fc.Arbitrary<readonly Forgery[]> = fc.array(forgery, { minLength: 1, maxLength: 3 });

/** Uses a vault that was changed so. What refused, by what was tried and the code of the error. */
export const useForged = async ({ machineId, next, whole }: Forgeable, changes: readonly Forgery[]): Promise<string[]> => {
  const forged = whole.copy();
  const changed = forge(forged, changes);
  // What cannot be written need not be read.
  if (![...changed].every((object) => forged.canBeWritten(object))) return [];
  return useAll(await forged.store(changed), machineId, next);
};
