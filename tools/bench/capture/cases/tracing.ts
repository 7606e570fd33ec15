import { cpuSecondsOf } from '../../cpu.ts';
import { createRow } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { startCapture } from '../capture-process.ts';
import { runFio } from '../fio.ts';
import { createLoadDisk } from '../load-disk.ts';

const DISK_SIZE = 256 * 1024 * 1024;
const SECONDS = 2;
/** What is compared is small, and other processes of the machine are not: many short runs, that each of them meets alike. */
const RUNS_A_PAIR = 3;
const WARM_UP = 1;
/** Of one run, where a busy machine let a ring overflow. */
const ATTEMPTS = 5;
/** Each write is told twice: when it is issued and when it completes. */
const EVENTS_A_WRITE = 2;

/** What it costs to follow all writes, at a speed no disk of a server has: the disk is memory, and fio writes as fast as it can. */
export const tracing: CaptureCase = {
  name: 'tracing',
  run: async ({ pairs, note }) => {
    const disk = await createLoadDisk(DISK_SIZE);
    const on: number[] = [];
    const off: number[] = [];
    const cpu: number[] = [];
    const load = (seconds = SECONDS) => runFio({ device: disk.device, seconds, depth: 32 });
    const traced = async (): Promise<void> => {
      for (let attempt = 1; ; attempt += 1) {
        const capture = await startCapture(disk.device);
        // An agent runs for months: what its code costs before it is compiled is not the question.
        await load(WARM_UP);
        const before = cpuSecondsOf(capture.pid);
        const { iops, writes } = await load();
        const spent = cpuSecondsOf(capture.pid) - before;
        const lost = await capture.end();
        if (lost === undefined) {
          cpu.push(spent / ((writes * EVENTS_A_WRITE) / 1e6));
          on.push(iops);
          return;
        }
        note(`tracing, not counted, for an agent would resynchronize: ${lost}`);
        if (attempt === ATTEMPTS) throw new Error(`${ATTEMPTS} times in turn writes were not traced to the end: ${lost}`);
      }
    };
    const untraced = async (): Promise<void> => void off.push((await load()).iops);
    try {
      await load();
      for (let pair = 0; pair < pairs * RUNS_A_PAIR; pair += 1) {
        for (const side of pair % 2 === 0 ? [traced, untraced] : [untraced, traced]) await side();
        note(`tracing, pair ${pair + 1}: ${Math.round(on.at(-1)!)} IOPS traced, ${Math.round(off.at(-1)!)} without`);
      }
    } finally {
      await disk.remove();
    }
    return [
      createRow(
        { measure: 'tracing only, fio at full speed', unit: 'IOPS' },
        on,
        { name: 'no tracing', samples: off },
        { goal: { atLeast: 0.93 }, stretch: { atLeast: 0.97 } },
      ),
      createRow({ measure: 'tracing only: CPU', unit: 's per million events' }, cpu, undefined),
    ];
  },
};
