import { runTool } from '../../../lab/host/run-tool.ts';
import { comparePairs, type Sample } from '../../measure.ts';
import type { CaptureCase } from '../capture-case.ts';
import { startCapture } from '../capture-process.ts';
import { createLoadDisk } from '../load-disk.ts';

const MIB = 1024 * 1024;
const DISK_SIZE = 2048 * MIB;

/** The first copy of a disk, into the agent's log, against a program that does nothing but read. */
export const initialRead: CaptureCase = {
  name: 'initial-read',
  run: async ({ pairs }) => {
    const disk = await createLoadDisk(DISK_SIZE);
    try {
      const copied = async (): Promise<Sample> => {
        const capture = await startCapture(disk.device);
        await capture.end();
        return { value: DISK_SIZE / 1e6 / (capture.copyMilliseconds / 1000) };
      };
      const read = async (): Promise<Sample> => {
        const began = performance.now();
        await runTool('dd', [`if=${disk.device}`, 'of=/dev/null', 'bs=1M', 'iflag=direct', 'status=none']);
        return { value: DISK_SIZE / 1e3 / (performance.now() - began) };
      };
      const compare = (measure: string) =>
        comparePairs({
          measure,
          unit: 'MB/s',
          ours: { name: 'first copy', run: copied },
          theirs: { name: 'dd iflag=direct', run: read },
          pairs,
          goal: { atLeast: 0.8 },
        });
      const empty = await compare('first copy of a disk of zeroes in memory');
      await runTool('fio', [
        ...['--name=fill', `--filename=${disk.device}`, '--rw=write', '--bs=1M', '--direct=1', '--refill_buffers'],
        '--buffer_compress_percentage=50',
      ]);
      return [...empty, ...(await compare('first copy of a full disk in memory'))];
    } finally {
      await disk.remove();
    }
  },
};
