import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { runTool } from '../../../lab/host/run-tool.ts';
import { until } from '../../../lab/host/until.ts';
import { cpuSecondsOf } from '../../cpu.ts';
import { createRow } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { compileAgent } from '../compile-agent.ts';
import { type FioResult, runFio } from '../fio.ts';
import { createLoadDisk } from '../load-disk.ts';
import { startProtectedMachine } from '../protected-machine.ts';

const DISK_SIZE = 512 * 1024 * 1024;
const IOPS = 5000;
const POINT_INTERVAL_SECONDS = 5;
/** Three points fall into it. */
const SECONDS = 15;

const allowed = (pid: number): string => /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]!;

/**
 * Waits until the agent keeps to its share of the processors, then has the process server, with all its threads, keep to the same: it belongs on another
 * machine, so it may cost the agent something, but not who writes.
 */
const shareProcessors = async (agent: number, server: number): Promise<void> => {
  if (availableParallelism() > 1)
    await until('the share of the agent', async () => allowed(agent) !== allowed(process.pid), { seconds: 300 });
  await runTool('taskset', ['--all-tasks', '--cpu-list', '--pid', allowed(agent), `${server}`]);
};

/** A steady load on a protected disk and on another one beside it, by turns, while the whole chain works. */
export const protectedLoad: CaptureCase = {
  name: 'protected-load',
  run: async ({ pairs, note, directory: shared }) => {
    const directory = path.join(shared, 'protected-load');
    const [mine, other] = [await createLoadDisk(DISK_SIZE), await createLoadDisk(DISK_SIZE)];
    const on: FioResult[] = [];
    const off: FioResult[] = [];
    const [perEvent, perGigabyte]: [number[], number[]] = [[], []];
    try {
      const machine = await startProtectedMachine({
        directory,
        main: await compileAgent(path.join(directory, 'programs')),
        disks: [mine.device],
        pointIntervalSeconds: POINT_INTERVAL_SECONDS,
      });
      try {
        const load = (device: string) => runFio({ device, seconds: SECONDS, depth: 8, iops: IOPS });
        const settled = async () => {
          await machine.points(1);
          await machine.drained();
          return machine.figures();
        };
        const withAgent = async (): Promise<void> => {
          const [before, cpu] = [await machine.figures(), cpuSecondsOf(machine.agentPid)];
          const result = await load(mine.device);
          const { changedBytes } = await settled();
          const spent = cpuSecondsOf(machine.agentPid) - cpu;
          on.push(result);
          perEvent.push(spent / ((result.writes * 2) / 1e6));
          perGigabyte.push(spent / ((changedBytes - before.changedBytes) / 1e9));
        };
        const withoutAgent = async (): Promise<void> => void off.push(await load(other.device));
        // Both disks have all their memory from here on.
        for (const { device } of [mine, other]) await runFio({ device, seconds: 5, depth: 32 });
        await settled();
        await shareProcessors(machine.agentPid, machine.server.pid);
        for (let pair = 0; pair < pairs; pair += 1) {
          for (const side of pair % 2 === 0 ? [withAgent, withoutAgent] : [withoutAgent, withAgent]) await side();
          const micros = (result: FioResult | undefined): number => Math.round((result?.p99 ?? 0) / 1000);
          note(`protected load, pair ${pair + 1}: p99 ${micros(on.at(-1))} us protected, ${micros(off.at(-1))} us not`);
        }
      } finally {
        await machine.close();
      }
    } finally {
      for (const disk of [mine, other]) await disk.remove();
    }
    const name = 'disk not protected';
    const iops = (results: readonly FioResult[]): number[] => results.map((result) => result.iops);
    const p99 = (results: readonly FioResult[]): number[] => results.map((result) => result.p99 / 1000);
    return [
      createRow(
        { measure: `cuts every ${POINT_INTERVAL_SECONDS} s and sending, ${IOPS} IOPS wanted: achieved`, unit: 'IOPS' },
        iops(on),
        { name, samples: iops(off) },
        { goal: { atLeast: 0.99 } },
      ),
      createRow(
        { measure: `cuts every ${POINT_INTERVAL_SECONDS} s and sending, ${IOPS} IOPS: p99`, unit: 'us' },
        p99(on),
        { name, samples: p99(off) },
        { goal: { atMost: 1.5 }, stretch: { atMost: 1.1 } },
      ),
      createRow({ measure: 'agent with cuts and sending: CPU', unit: 's per million events' }, perEvent, undefined),
      createRow({ measure: 'agent with cuts and sending: CPU', unit: 's per GB changed' }, perGigabyte, undefined),
    ];
  },
};
