import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mainOf } from '../../site/from-source.ts';
import type { RunContext } from '../context.ts';
import type { LabOptions } from '../options.ts';
import { HOST } from './host.ts';

/** Memory that no disk stands behind, for what the agent must not forget when it is killed. */
export const MEMORY_DIRECTORY = '/dev/shm';
/** So that the screen is never far behind. */
const REPORT_EVERY = '250ms';

/** The agent's main file. */
export const agentMain = (conflictCheck: boolean): string =>
  conflictCheck ? mainOf('mobility-agent') : fileURLToPath(new URL('./agent-without-check.ts', import.meta.url));

/** Settings of the agent: a machine of its own, whatever else runs on this one, that never waits long. Only disks of the user's are spared by its copy. */
export const agentSettings = (
  directory: string,
  port: number,
  disks: readonly string[],
  { pointEvery, disks: { length: disksOfUser } }: LabOptions,
): Readonly<Record<string, unknown>> => {
  const hardwareFile = path.join(directory, 'hardware.json');
  writeFileSync(hardwareFile, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
  return {
    http: { listen: `${HOST}:${port}` },
    identity: { 'hardware-file': hardwareFile },
    disks: { include: disks },
    hrl: { quota: '1GiB', segment: '16MiB' },
    ...(existsSync(MEMORY_DIRECTORY) ? { trace: { 'memory-directory': MEMORY_DIRECTORY } } : {}),
    copy: { yield: disksOfUser > 0 },
    points: { interval: `${Math.round(pointEvery * 1000)}ms` },
    sender: { 'retry-first': '100ms', 'retry-longest': '2s', 'retry-refused': '2s' },
    report: { interval: REPORT_EVERY },
  };
};

/** Records what the agent keeps outside of its state directory, before it runs. */
export const noteAgentMemory = ({ recorder }: Pick<RunContext, 'recorder'>, machineId: string): void => {
  const names = [machineId, `${machineId}-log`, `${machineId}-sender.json`].map((name) => `holdfast-${name}`);
  recorder.note({ traceInstances: [names[0]!], memory: names.map((name) => path.join(MEMORY_DIRECTORY, name)) });
};
