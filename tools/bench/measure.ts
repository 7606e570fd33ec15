import { cpuSeconds, cpuSecondsOf } from './cpu.ts';
import { createRow, type Promised, type Row } from './row.ts';

/** What one run of one side gave. */
export interface Sample {
  readonly value: number;
  /** CPU seconds for each 10^9 bytes worked on, where the side knows. */
  readonly cpuPerGigabyte?: number;
}

/** One way to do the work. */
export interface Side {
  readonly name: string;
  run(): Promise<Sample>;
}

export interface Comparison extends Promised {
  readonly measure: string;
  readonly unit: string;
  readonly ours: Side;
  readonly theirs: Side;
  /** At least five. */
  readonly pairs: number;
}

const LEAST_PAIRS = 5;

/**
 * Measures two ways to do the same in turns (ours, theirs, theirs, ours, …, so that neither always comes first), after one turn that is
 * not counted. Gives a row of the value and, where both sides know it, one of the CPU time.
 */
export const comparePairs = async ({ measure, unit, ours, theirs, pairs, ...promised }: Comparison): Promise<Row[]> => {
  if (pairs < LEAST_PAIRS) throw new RangeError(`at least ${LEAST_PAIRS} pairs`);
  const samples: { ours: Sample; theirs: Sample }[] = [];
  for (let turn = 0; turn <= pairs; turn += 1) {
    const weFirst = turn % 2 === 0;
    const first = await (weFirst ? ours : theirs).run();
    const second = await (weFirst ? theirs : ours).run();
    if (turn > 0) samples.push(weFirst ? { ours: first, theirs: second } : { ours: second, theirs: first });
  }
  const column = (side: 'ours' | 'theirs', field: keyof Sample): number[] =>
    samples.map((sample) => sample[side][field]).filter((value) => value !== undefined);

  const rows = [createRow({ measure, unit }, column('ours', 'value'), { name: theirs.name, samples: column('theirs', 'value') }, promised)];
  const [ourCpu, theirCpu] = [column('ours', 'cpuPerGigabyte'), column('theirs', 'cpuPerGigabyte')];
  if (ourCpu.length === pairs && theirCpu.length === pairs) {
    rows.push(createRow({ measure: `${measure}: CPU`, unit: 's/GB' }, ourCpu, { name: theirs.name, samples: theirCpu }));
  }
  return rows;
};

/** Runs `work` over `bytes` bytes: 10^6 bytes a second, and CPU time of this process, of children that end meanwhile, and of `pids`. */
export const measureThroughput = async (bytes: number, work: () => unknown, pids: readonly number[] = []): Promise<Sample> => {
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), cpuSeconds());
  const cpuBefore = cpu();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  return { value: bytes / 1e6 / seconds, cpuPerGigabyte: ((cpu() - cpuBefore) / bytes) * 1e9 };
};
