import path from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { type ControlFigures, measureControl } from '../control/measure-control.ts';
import { createRow, type Promised, type Row } from '../row.ts';

const MACHINES = 1000;
const ENROLMENTS = 500;
const HISTORY = { events: 100_000, jobs: 10_000 };
const MEASURE_MS = 30_000;

const row = (measure: string, unit: string, value: number, promised: Promised = {}): Row =>
  createRow({ measure, unit }, [value], undefined, promised);

const figures = (when: string, { cpuShare, residentMB, pages, watchP99 }: ControlFigures): Row[] => [
  row(`${when}: CPU`, 'cores', cpuShare, { goal: { atMost: 0.5 } }),
  row(`${when}: RSS`, 'MB', residentMB, { goal: { atMost: 500 } }),
  ...Object.entries(pages).map(([name, { p99 }]) => row(`${when}: page of ${name}, p99`, 'ms', p99, { goal: { atMost: 50 } })),
  row(`${when}: watch delivery, p99`, 'ms', watchP99, { goal: { atMost: 500 } }),
];

const run = async ({ directory, note }: BenchContext): Promise<Row[]> => {
  const { enrolmentSeconds, fresh, withHistory } = await measureControl({
    directory: path.join(directory, 'control'),
    machines: MACHINES,
    timedEnrolments: ENROLMENTS,
    history: HISTORY,
    measureMs: MEASURE_MS,
    note,
  });
  return [
    row(`${ENROLMENTS} enrolments`, 's', enrolmentSeconds, { goal: { atMost: 60 } }),
    ...figures('fresh', fresh),
    ...figures('with 100,000 events and 10,000 jobs', withHistory),
  ];
};

/** Members are simulated by the bench; CPU and memory are the server's alone, a process with its own settings. */
export const bench: Bench = {
  name: 'control',
  about: `one configuration server and ${MACHINES} protected machines with 3 disks, each reporting every 10 s`,
  tools: [],
  run,
};
