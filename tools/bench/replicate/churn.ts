import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from '../bench.ts';
import { runFio } from '../capture/fio.ts';
import { createLoadDisk } from '../capture/load-disk.ts';
import { startProtectedMachine } from '../capture/protected-machine.ts';
import { cpuSecondsOf } from '../cpu.ts';
import { createRow, type Row } from '../row.ts';
import { MIB } from '../vault/content.ts';

const DISK_SIZE = 2048 * MIB;
const RATE = 20_000_000;
const SECONDS = 60;
const POINT_INTERVAL_SECONDS = 5;
/** What is written before the first point of the load is durable says nothing. */
const WARM_UP_SECONDS = 10;
const LOOK_EVERY_MS = 250;

/** A steady load of random writes: how far the newest durable point is behind, and what that costs. */
export const churn = async ({ directory, note }: BenchContext): Promise<Row[]> => {
  const disk = await createLoadDisk(DISK_SIZE);
  try {
    const machine = await startProtectedMachine({ directory, disks: [disk.device], pointIntervalSeconds: POINT_INTERVAL_SECONDS });
    try {
      await machine.points(1);
      await machine.drained();
      const before = await machine.figures();
      // Each block once before any twice: what is written is what has changed.
      const load = runFio({
        device: disk.device,
        seconds: WARM_UP_SECONDS + SECONDS,
        depth: 8,
        blockBytes: '4k-64k',
        rate: RATE,
        distinct: true,
      });
      let isOver = false;
      const ended = load.finally(() => {
        isOver = true;
      });
      ended.catch(() => undefined);
      await sleep(WARM_UP_SECONDS * 1000);
      const start = performance.now();
      const cpu = { agent: cpuSecondsOf(machine.agentPid), server: cpuSecondsOf(machine.server.pid) };
      const ages: number[] = [];
      while (!isOver) {
        ages.push((await machine.figures()).rpoSeconds);
        await sleep(LOOK_EVERY_MS);
      }
      const seconds = (performance.now() - start) / 1000;
      const agent = (cpuSecondsOf(machine.agentPid) - cpu.agent) / seconds;
      const server = (cpuSecondsOf(machine.server.pid) - cpu.server) / seconds;
      const { bytes: written } = await ended;
      await machine.points(1);
      await machine.drained();
      const after = await machine.figures();
      const sent = after.changedBytes - before.changedBytes;
      note(
        `churn: ${Math.round(written / 1e6)} MB written, ${after.points - before.points} points, ${after.conflicts - before.conflicts} cuts did not converge`,
      );
      ages.sort((a, b) => a - b);
      const at = (share: number): number => ages[Math.min(ages.length - 1, Math.ceil(ages.length * share) - 1)] ?? Number.NaN;
      const about = `random 4–64 KiB at ${RATE / 1e6} MB/s, points every ${POINT_INTERVAL_SECONDS} s`;
      return [
        createRow({ measure: `${about}: achieved`, unit: 'MB/s' }, [written / 1e6 / (WARM_UP_SECONDS + SECONDS)], undefined),
        createRow({ measure: `${about}: RPO p50`, unit: 's' }, [at(0.5)], undefined),
        createRow({ measure: `${about}: RPO p95`, unit: 's' }, [at(0.95)], undefined, { goal: { atMost: 8 } }),
        createRow({ measure: `${about}: sent / changed, before compression`, unit: '' }, [sent / written], undefined, {
          goal: { atMost: 1.15 },
        }),
        createRow({ measure: `${about}: process server`, unit: 'cores' }, [server], undefined, { goal: { atMost: 0.2 } }),
        createRow({ measure: `${about}: process server`, unit: 's/GB' }, [(server * 1e9) / RATE], undefined),
        createRow({ measure: `${about}: agent`, unit: 'cores' }, [agent], undefined),
      ];
    } finally {
      await machine.close();
    }
  } finally {
    await disk.remove();
  }
};
