import { identifyDevice, openDiskSource } from '@holdfast/mobility-agent';
import { runTool } from '../../../lab/host/run-tool.ts';
import { cpuSecondsOf } from '../../cpu.ts';
import { comparePairs, type Sample } from '../../measure.ts';
import { createRow } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';
import { startCapture } from '../capture-process.ts';
import { createLoadDisk } from '../load-disk.ts';

const MIB = 1024 * 1024;
const DISK_SIZE = 2048 * MIB;

/** Reads a whole disk as the agent does; and the first copy of it, compressed and with its digests, into the agent's log: that costs processors. */
export const initialRead: CaptureCase = {
  name: 'initial-read',
  run: async ({ pairs }) => {
    const disk = await createLoadDisk(DISK_SIZE);
    const read = async (): Promise<Sample> => {
      const began = performance.now();
      await runTool('dd', [`if=${disk.device}`, 'of=/dev/null', 'bs=1M', 'iflag=direct', 'status=none']);
      return { value: DISK_SIZE / 1e3 / (performance.now() - began) };
    };
    const readByAgent = async (): Promise<Sample> => {
      const source = openDiskSource(identifyDevice(disk.device));
      try {
        const began = performance.now();
        for (let at = 0; at < DISK_SIZE; at += source.readLimit) source.read(at, Math.min(source.readLimit, DISK_SIZE - at));
        return { value: DISK_SIZE / 1e3 / (performance.now() - began) };
      } finally {
        source.close();
      }
    };
    const perGigabyte: number[] = [];
    const copy = async (): Promise<Sample> => {
      const capture = await startCapture(disk.device);
      perGigabyte.push(cpuSecondsOf(capture.pid) / (DISK_SIZE / 1e9));
      await capture.end();
      return { value: DISK_SIZE / 1e6 / (capture.copyMilliseconds / 1000) };
    };
    const theirs = { name: 'dd iflag=direct', run: read };
    try {
      // Not only made long: holes are read from nowhere.
      await runTool('fio', [
        ...['--name=fill', `--filename=${disk.device}`, '--rw=write', '--bs=1M', '--direct=1', '--refill_buffers'],
        '--buffer_compress_percentage=50',
      ]);
      const common = { unit: 'MB/s', theirs, pairs };
      return [
        ...(await comparePairs({
          measure: 'initial read of a disk in memory',
          ours: { name: 'agent', run: readByAgent },
          goal: { atLeast: 0.8 },
          ...common,
        })),
        ...(await comparePairs({ measure: 'first copy of it into the log', ours: { name: 'agent', run: copy }, ...common })),
        createRow({ measure: 'first copy of it into the log: CPU, start included', unit: 's/GB' }, perGigabyte, undefined),
      ];
    } finally {
      await disk.remove();
    }
  },
};
