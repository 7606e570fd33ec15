import type { Bench } from '../bench.ts';
import type { CaptureCase } from '../capture/capture-case.ts';
import { cutTime, readsPerBlock } from '../capture/cases/cuts.ts';
import { initialRead } from '../capture/cases/initial-read.ts';
import { memory } from '../capture/cases/memory.ts';
import { protectedLoad } from '../capture/cases/protected-load.ts';
import { resync } from '../capture/cases/resync.ts';
import { tracing } from '../capture/cases/tracing.ts';
import type { Row } from '../row.ts';

const CASES: readonly CaptureCase[] = [tracing, protectedLoad, readsPerBlock, cutTime, initialRead, memory, resync];

/** What protection costs a machine. Its disks are loop devices over memory: faster than any disk, so that all that costs time shows. */
export const bench: Bench = {
  name: 'capture',
  about: 'a machine with the agent against the same machine without; the disks are loop devices over memory',
  tools: ['filesystems', 'load'],
  parts: CASES.map(({ name }) => name),
  run: async (context) => {
    const rows: Row[] = [];
    for (const { name, run } of CASES) if (context.wants(name)) rows.push(...(await run(context)));
    return rows;
  },
};
