import { createHash, randomFillSync } from 'node:crypto';
import path from 'node:path';
import { BLOCK_SIZE } from '@holdfast/block';
import { createMemoryStore, withMetrics } from '@holdfast/object-store';
import { type Clock, keepMachine, openLogWriter } from '@holdfast/vault';
import type { BenchContext } from '../bench.ts';
import { createRow, type Row } from '../row.ts';
import { createBenchVault } from './bench-vault.ts';
import { MIB } from './content.ts';
import { blockFrames } from './source.ts';

const DAYS = 60;
/** As long again, to see what is put off. */
const LATER = 2 * DAYS;
const CUTS_A_DAY = 24;
const DISK_BLOCKS = (256 * MIB) / BLOCK_SIZE;
/** One per cent a day. */
const BLOCKS_A_CUT = Math.round(DISK_BLOCKS / 100 / CUTS_A_DAY);
const DAY = 24 * 3600 * 1000;

/** Bytes put into the store for each byte appended, in 60 simulated days of 1 % a day: the log, what keepers rewrite, everything. */
export const benchGrowing = async (context: BenchContext): Promise<Row[]> => [
  ...(await grow(
    context,
    'skewed 80/20',
    (draw) => (draw() < 0.8 ? Math.floor(draw() * 0.2 * DISK_BLOCKS) : Math.floor(draw() * DISK_BLOCKS)),
    4,
  )),
  ...(await grow(context, 'uniform', (draw) => Math.floor(draw() * DISK_BLOCKS), 8)),
];

const grow = async (
  { directory, note }: BenchContext,
  how: string,
  choose: (draw: () => number) => number,
  most: number,
): Promise<Row[]> => {
  note(`${LATER} simulated days, ${how}`);
  let now = Date.UTC(2026, 0, 1);
  const clock: Clock = { now: () => now, sleep: async () => {} };
  const { store, metrics } = withMetrics(createMemoryStore({ now: () => now }));
  const { vault, source } = await createBenchVault(path.join(directory, how.replace(/\W/g, '-')), DISK_BLOCKS * BLOCK_SIZE, store);
  const draw = drawsOf(how);
  const block = Buffer.alloc(BLOCK_SIZE);
  // What was there before the first day, compacted: of cuts that no catalogue tells nothing is.
  let writer = await openLogWriter(vault, source.machineId, { clock, checkpoint: { slots: 1 } });
  for (let start = 0; start < DISK_BLOCKS; start += 8192) {
    const blocks = Array.from({ length: Math.min(8192, DISK_BLOCKS - start) }, (_, i) => start + i);
    await source.cut(writer, await blockFrames(blocks, randomFillSync(Buffer.alloc(blocks.length * block.length))));
  }
  await writer.close();
  await keepMachine(vault, source.machineId, { policy: '15d', clock, minCuts: 1 });

  const before = metrics.bytesCreated;
  let appended = 0;
  const rows: Row[] = [];
  for (let day = 1; day <= LATER; day += 1) {
    writer = await openLogWriter(vault, source.machineId, { clock });
    for (let cut = 0; cut < CUTS_A_DAY; cut += 1) {
      now += DAY / CUTS_A_DAY;
      source.time = now;
      const blocks = [...new Set(Array.from({ length: BLOCKS_A_CUT }, () => choose(draw)))].sort((a, b) => a - b);
      const bytesBefore = metrics.bytesCreated;
      await source.cut(writer, await blockFrames(blocks, randomFillSync(Buffer.alloc(blocks.length * block.length))));
      appended += metrics.bytesCreated - bytesBefore;
    }
    await writer.close();
    await keepMachine(vault, source.machineId, { policy: '15d', clock });
    if (day !== DAYS && day !== LATER) continue;
    const written = (metrics.bytesCreated - before) / appended;
    const measured = { measure: `${day} days of 1 %, ${how}: bytes put / appended`, unit: '' };
    rows.push(createRow(measured, [written], undefined, day === DAYS ? { goal: { atMost: most } } : {}));
  }
  await vault.close();
  return rows;
};

/** The same numbers in every run. */
const drawsOf = (seed: string): (() => number) => {
  let count = 0;
  return () => {
    count += 1;
    return createHash('sha256').update(`${seed} ${count}`).digest().readUInt32LE() / 2 ** 32;
  };
};
