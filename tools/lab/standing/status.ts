import path from 'node:path';
import { createPerson } from '../../site/cli-process.ts';
import { isAlive } from '../host/processes.ts';
import { readMachine } from '../installation/read-figures.ts';
import { formatSeconds } from '../output/format.ts';
import { table } from '../output/table.ts';
import { findStandingLab, type LabInfo, readLabInfo } from './lab-info.ts';

export interface LabStatus {
  readonly state: 'none' | 'coming up' | 'up' | 'not well' | 'dead';
  readonly directory: string | null;
  readonly programs: readonly { readonly name: string; readonly pid: number; readonly running: boolean; readonly restarts: number }[];
  readonly machine: {
    readonly id: string;
    readonly state: string;
    readonly points: number;
    readonly newestPoint: string | null;
    readonly rpoSeconds: number | null;
  } | null;
}

const PATIENCE_MS = 10_000;

/** Null when the configuration server does not answer. */
const lookAtMachine = async ({ contexts, machineId }: LabInfo): Promise<LabStatus['machine']> => {
  try {
    const { state, points, newestPoint } = await readMachine(createPerson(contexts), machineId, AbortSignal.timeout(PATIENCE_MS));
    return {
      id: machineId,
      state,
      points,
      newestPoint: newestPoint === undefined ? null : new Date(newestPoint).toISOString(),
      rpoSeconds: newestPoint === undefined ? null : (Date.now() - newestPoint) / 1000,
    };
  } catch {
    return null;
  }
};

/** How the lab is, as far as can be seen from outside. */
export const readLabStatus = async (): Promise<LabStatus> => {
  const found = findStandingLab();
  if (found === undefined) return { state: 'none', directory: null, programs: [], machine: null };
  const { directory, owner } = found.record;
  const info = readLabInfo(directory);
  if (!isAlive(owner)) return { state: 'dead', directory, programs: [], machine: null };
  if (info === undefined) return { state: 'coming up', directory, programs: [], machine: null };
  const programs = info.programs.map(({ name, process: { pid, started }, restarts }) => ({
    name,
    pid,
    running: isAlive({ pid, started }),
    restarts,
  }));
  const machine = await lookAtMachine(info);
  const isWell = machine !== null && programs.every(({ running }) => running);
  return { state: isWell ? 'up' : 'not well', directory, programs, machine };
};

/** The same for people. */
export const describeLab = ({ state, directory, programs, machine }: LabStatus): string[] => {
  if (directory === null) return ['There is no lab: `npm run lab -- up` sets one up.'];
  if (state === 'dead') return [`The lab in ${directory} has lost its supervisor: \`npm run lab -- down\` takes away what it left.`];
  if (state === 'coming up') return [`The lab in ${directory} is coming up.`];
  return [
    `lab ${state}, in ${directory}; \`. ${path.join(directory, 'environment')}\` lets \`npm run holdfast\` talk to it`,
    '',
    ...table(
      ['program', 'process', 'state', 'restarts'],
      programs.map(({ name, pid, running, restarts }) => [name, `${pid}`, running ? 'running' : 'ended', `${restarts}`]),
      ['process', 'restarts'],
    ),
    '',
    ...(machine === null
      ? ['The configuration server does not answer.']
      : table(
          ['machine', 'state', 'points', 'RPO', 'newest point'],
          [
            [
              machine.id,
              machine.state,
              `${machine.points}`,
              machine.rpoSeconds === null ? 'none yet' : formatSeconds(machine.rpoSeconds),
              machine.newestPoint ?? 'none yet',
            ],
          ],
          ['points'],
        )),
  ];
};
