import path from 'node:path';
import type { ProgramProcess } from '../site/program-process.ts';
import type { RunContext } from './context.ts';
import { until } from './host/until.ts';
import { type Installation, install, LAB } from './installation/installation.ts';
import { type MachineFigures, type MachineWatch, watchMachine } from './installation/machine-watch.ts';
import { readCounters, readMachine } from './installation/read-figures.ts';
import type { LabVault } from './lab-vault.ts';

export interface LabDisk {
  /** 32 hexadecimal digits, given by the agent. */
  readonly id: string;
  /** `/dev/loop3`, or an image file. */
  readonly path: string;
}

/** A machine that has joined an installation of the lab's own, and runs its agent. */
export interface LabMachine {
  readonly id: string;
  readonly disks: readonly LabDisk[];
  readonly vault: LabVault;
  readonly installation: Installation;
  readonly figures: MachineFigures;
  /** Rejects when a program ends unasked or the installation stops answering. */
  readonly failures: readonly Promise<never>[];
  /** `holdfast protect`. */
  protect(): Promise<void>;
  /** To be called every second or so: the CPU times of processes that may be killed any moment. */
  sample(): void;
  /** Ends agent, process server and configuration server in order; the store stays. */
  stop(): Promise<void>;
}

const CONNECTED_WITHIN_SECONDS = 60;

/** Sets up an installation, lets this machine with these disks join it, and starts the agent. Nothing is protected yet. */
export const createMachine = async (context: RunContext, { disks }: { readonly disks: readonly string[] }): Promise<LabMachine> => {
  const { signal } = context;
  const installation = await install(context, { disks });
  const { person, machineId, agent, agentMetrics, processServer, configurationServer, store } = installation;
  await agent.start();
  signal.throwIfAborted();
  const look = () => readMachine(person, machineId, signal);
  let found: readonly LabDisk[] = [];
  const hasAllDisks = async (): Promise<boolean> => {
    const shown = (await look()).disks;
    found = disks.flatMap((disk) => shown.filter(({ name }) => name === path.basename(disk)).map(({ id }) => ({ id, path: disk })));
    return found.length === disks.length;
  };
  await until(`the agent of ${machineId} tells of its disks`, hasAllDisks, {
    seconds: CONNECTED_WITHIN_SECONDS,
    everyMilliseconds: 100,
    signal,
  });
  const watch: MachineWatch = watchMachine({ look, count: () => readCounters(agentMetrics), signal });
  const programs: readonly ProgramProcess[] = [agent, processServer, configurationServer];
  return {
    id: machineId,
    disks: found,
    vault: installation.vault,
    installation,
    get figures() {
      return watch.figures;
    },
    failures: [watch.failure, ...programs.map(({ failure }) => failure)],
    protect: async () => {
      await person.json(['protect', machineId, '--vault', LAB]);
    },
    sample: () => {
      for (const program of programs) program.sample();
      store?.sample();
    },
    stop: async () => {
      await watch.stop();
      for (const program of programs) await program.stop();
    },
  };
};
