import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createRow } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { compileAgent } from '../compile-agent.ts';
import { runFio } from '../fio.ts';
import { createLoadDisk } from '../load-disk.ts';
import { startProtectedMachine } from '../protected-machine.ts';

const TEBIBYTE = 2 ** 40;
/** 5 MB/s. */
const CHURN_IOPS = 1220;
const CHURN_SECONDS = 60;

const peakOf = (pid: number): number => {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return (Number(found?.[1]) * 1024) / 1e6;
};

/** From now on the peak is that of what follows; see proc(5), clear_refs. */
const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** Memory of the agent with a disk as large as disks get. Its first copy reads all of it, and that takes its time. */
export const memory: CaptureCase = {
  name: 'memory',
  run: async ({ note, directory: shared }) => {
    const directory = path.join(shared, 'memory');
    const disk = await createLoadDisk(TEBIBYTE);
    try {
      note('memory: the first copy of 1 TiB');
      const main = await compileAgent(path.join(directory, 'programs'));
      const machine = await startProtectedMachine({ directory, main, disks: [disk.device], pointIntervalSeconds: 5 });
      try {
        await machine.points(1);
        const copying = peakOf(machine.agentPid);
        await machine.drained();
        // What the copy needed is given back in the agent's own time.
        await runFio({ device: disk.device, seconds: CHURN_SECONDS / 2, depth: 4, iops: CHURN_IOPS });
        forgetPeak(machine.agentPid);
        await runFio({ device: disk.device, seconds: CHURN_SECONDS, depth: 4, iops: CHURN_IOPS });
        return [
          createRow({ measure: 'RSS, 1 TiB disk, first copy: peak', unit: 'MB' }, [copying], undefined, { goal: { atMost: 350 } }),
          createRow({ measure: 'RSS, 1 TiB disk, 5 MB/s of changes: peak', unit: 'MB' }, [peakOf(machine.agentPid)], undefined, {
            goal: { atMost: 200 },
          }),
        ];
      } finally {
        await machine.close();
      }
    } finally {
      await disk.remove();
    }
  },
};
