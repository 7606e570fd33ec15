import { randomFillSync } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { type DelayingProxy, startDelayingProxy } from '@holdfast/protocol/conformance';
import type { BenchContext } from '../bench.ts';
import { createRow, type Row } from '../row.ts';
import { MIB } from '../vault/content.ts';
import { createDiskOf, firstCopy } from './initial.ts';

const MEBIBYTES = 512;
const ROUND_TRIP_MS = 50;
const RUNS = 3;

/** A first copy of data that does not compress over a link with a long way. The proxy shares the machine. */
export const distance = async ({ directory, note }: BenchContext): Promise<Row[]> => {
  const bytes = MEBIBYTES * MIB;
  const image = path.join(directory, 'noise.img');
  const file = await open(image, 'w');
  const noise = Buffer.alloc(8 * MIB);
  for (let at = 0; at < bytes; at += noise.length) await file.write(randomFillSync(noise), 0, noise.length, at);
  await file.close();
  const disk = await createDiskOf(image, bytes);
  const speeds: number[] = [];
  try {
    for (let run = 0; run < RUNS; run += 1) {
      let proxy: DelayingProxy | undefined;
      const reach = async (port: number): Promise<string> => {
        proxy = await startDelayingProxy(port, ROUND_TRIP_MS);
        return `127.0.0.1:${proxy.port}`;
      };
      const { value } = await firstCopy(disk, bytes, directory, { reach });
      await proxy?.close();
      speeds.push(value);
      note(`distance, run ${run + 1}: ${Math.round(value)} MB/s`);
    }
  } finally {
    await disk.remove();
    await rm(image);
  }
  return [
    createRow({ measure: `first copy, round trip of ${ROUND_TRIP_MS} ms`, unit: 'MB/s' }, speeds, undefined, {
      goal: { atLeast: 60 },
      stretch: { atLeast: 250 },
    }),
  ];
};
