import type { MachineHistory, PointDisk, RecoveryPoint } from '@holdfast/vault';
import { machineLabel } from '../choose/choose-machine.ts';
import { type OutputOptions, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { type ServeOptions, serveDisks, untilStopped } from './serve-disks.ts';

export interface DiskServerRun extends ServeOptions {
  readonly history: MachineHistory;
  readonly point: RecoveryPoint;
  readonly disks: readonly PointDisk[];
}

/** Serves disks, says where, and goes on until the command is asked to end. */
export const runDiskServer = async (surroundings: Surroundings, output: OutputOptions, run: DiskServerRun): Promise<void> => {
  const { history, point, disks } = run;
  const server = await serveDisks(surroundings, history, point, disks, run);
  try {
    writeAnswer(surroundings, output, {
      data: {
        machine: history.machine.id,
        point: point.id,
        time: formatTime(point.time),
        disks: server.disks.map(({ disk: { id, name, size }, uri, overlay }) => ({
          id,
          name,
          size,
          uri,
          ...(overlay !== undefined && { overlay }),
        })),
      },
      people: [
        { line: `${machineLabel(history.machine)} at ${formatTime(point.time)} (point ${point.id})` },
        {
          columns: [{ heading: 'DISK' }, { heading: 'SIZE', right: true }, { heading: 'WRITES' }, { heading: 'URI' }],
          rows: server.disks.map(({ disk, uri, overlay }) => [disk.name, formatBytes(disk.size), overlay ?? 'refused', uri]),
        },
      ],
    });
    surroundings.stderr.write('Serving; Ctrl-C ends it.\n');
    await untilStopped(surroundings);
  } finally {
    await server.close();
  }
};
