import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { runTool } from '../../lab/host/run-tool.ts';
import type { BenchContext } from '../bench.ts';
import { compileAgent, compileProcessServer } from '../capture/compile-agent.ts';
import { createLoadDisk, type LoadDisk } from '../capture/load-disk.ts';
import { type ProtectedMachine, type ProtectedMachineOptions, startProtectedMachine } from '../capture/protected-machine.ts';
import { cpuSecondsOf } from '../cpu.ts';
import type { Sample } from '../measure.ts';
import { createRow, type Row } from '../row.ts';
import { MIB, writeImage } from '../vault/content.ts';
import { runPipe, runRestic } from './rivals.ts';

/** Large enough that the first second, in which both programs are compiled and the first journal is made, is not most of it. */
const MEBIBYTES = 2048;
const POINT_INTERVAL_SECONDS = 5;

interface CopySample extends Sample {
  readonly agentCpu: number;
  readonly serverCpu: number;
}

/** A disk in memory with the content of a file. */
export const createDiskOf = async (image: string, bytes: number): Promise<LoadDisk> => {
  const disk = await createLoadDisk(bytes);
  await runTool('dd', [`if=${image}`, `of=${disk.device}`, 'bs=4M', 'oflag=direct', 'status=none']);
  return disk;
};

/** The first copy of a machine, from being protected to the first durable point; CPU seconds for each 10^9 bytes of disk. */
export const firstCopy = async (
  disk: LoadDisk,
  bytes: number,
  directory: string,
  options: Pick<ProtectedMachineOptions, 'reach' | 'main' | 'serverMain'> = {},
): Promise<CopySample> => {
  const place = await mkdtemp(path.join(directory, 'copy-'));
  const machine = await startProtectedMachine({
    ...options,
    directory: place,
    disks: [disk.device],
    pointIntervalSeconds: POINT_INTERVAL_SECONDS,
  });
  try {
    const spent = (): { agent: number; server: number } => ({
      agent: cpuSecondsOf(machine.agentPid),
      server: cpuSecondsOf(machine.server.pid),
    });
    const [before, start] = [spent(), performance.now()];
    await settled(machine);
    const seconds = (performance.now() - start) / 1000;
    const after = spent();
    const [agentCpu, serverCpu] = [((after.agent - before.agent) * 1e9) / bytes, ((after.server - before.server) * 1e9) / bytes];
    return { value: bytes / 1e6 / seconds, cpuPerGigabyte: agentCpu + serverCpu, agentCpu, serverCpu };
  } finally {
    await machine.close();
    await rm(place, { recursive: true });
  }
};

const settled = async (machine: ProtectedMachine): Promise<void> => {
  await machine.points(1);
  await machine.drained();
};

/** A first copy against a pipe of programs and against a backup of the same image, in turns of three. */
export const initialCopy = async ({ directory, pairs, note }: BenchContext): Promise<Row[]> => {
  const bytes = MEBIBYTES * MIB;
  const image = path.join(directory, 'initial.img');
  await writeImage(image, MEBIBYTES);
  const disk = await createDiskOf(image, bytes);
  const programs = {
    main: await compileAgent(path.join(directory, 'agent')),
    serverMain: await compileProcessServer(path.join(directory, 'process-server')),
  };
  const ours: CopySample[] = [];
  const pipe: Sample[] = [];
  const restic: Sample[] = [];
  try {
    const sides = [
      async () => void ours.push(await firstCopy(disk, bytes, directory, programs)),
      async () => void pipe.push(await runPipe(image, bytes, directory)),
      async () => void restic.push(await runRestic(image, bytes, directory)),
    ];
    for (let turn = 0; turn < pairs; turn += 1) {
      for (const offset of sides.keys()) await sides[(turn + offset) % sides.length]!();
      const [copy, piped, backed] = [ours.at(-1)!, pipe.at(-1)!, restic.at(-1)!];
      const told = [copy, piped, backed].map(({ value }) => `${Math.round(value)} MB/s`).join(', ');
      note(
        `initial, turn ${turn + 1}: ours, pipe, restic: ${told}; CPU s/GB: agent ${copy.agentCpu.toFixed(1)}, server ${copy.serverCpu.toFixed(1)}`,
      );
    }
  } finally {
    await disk.remove();
    await rm(image);
  }
  const values = (samples: readonly Sample[]): number[] => samples.map(({ value }) => value);
  const cpu = (samples: readonly Sample[]): number[] => samples.map(({ cpuPerGigabyte = Number.NaN }) => cpuPerGigabyte);
  const [pipeName, resticName] = ['cat | lz4 | openssl | dd', 'restic backup'];
  return [
    createRow(
      { measure: 'first copy', unit: 'MB/s' },
      values(ours),
      { name: pipeName, samples: values(pipe) },
      { goal: { atLeast: 0.9 }, stretch: { atLeast: 1.2 } },
    ),
    createRow(
      { measure: 'first copy', unit: 'MB/s' },
      values(ours),
      { name: resticName, samples: values(restic) },
      { goal: { atLeast: 1.2 }, stretch: { atLeast: 1.5 } },
    ),
    createRow({ measure: 'first copy: CPU of both', unit: 's/GB' }, cpu(ours), { name: pipeName, samples: cpu(pipe) }),
    createRow({ measure: 'first copy: CPU of both', unit: 's/GB' }, cpu(ours), { name: resticName, samples: cpu(restic) }),
    createRow(
      { measure: 'first copy: CPU of the agent', unit: 's/GB' },
      ours.map(({ agentCpu }) => agentCpu),
      undefined,
    ),
    createRow(
      { measure: 'first copy: CPU of the process server', unit: 's/GB' },
      ours.map(({ serverCpu }) => serverCpu),
      undefined,
    ),
  ];
};
