import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { newId } from '@holdfast/protocol';
import { type Agent, createAgent } from './agent/agent.ts';
import type { RunContext } from './context.ts';
import { createLabVault, type LabVault } from './lab-vault.ts';

export interface MachineDisk {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** `/dev/loop3` */
  readonly device: string;
}

/** A machine under protection: its vault, its agent, what that agent keeps. */
export interface LabMachine {
  readonly id: string;
  readonly disks: readonly MachineDisk[];
  readonly vault: LabVault;
  readonly agent: Agent;
}

/** Memory that no disk stands behind, for the state of the trace. */
export const MEMORY_DIRECTORY = '/dev/shm';

/** Name of the trace instance and of the tracking memory of a run. */
export const stateNameOf = (runId: string): string => `holdfast-lab-${runId}`;

/** Creates the vault and the agent of a machine with these disks; the agent is not started yet. */
export const createMachine = async (context: RunContext, devices: readonly string[]): Promise<LabMachine> => {
  const { options, recorder } = context;
  const id = newId();
  const disks = devices.map((device) => ({ id: newId(), device }));
  const vault = await createLabVault(context, { id, name: 'lab' });
  const directory = path.join(recorder.record.directory, 'agent');
  mkdirSync(directory);
  const stateName = stateNameOf(recorder.id);
  recorder.note({ traceInstances: [stateName], paths: [stateName, `${stateName}-log`].map((name) => path.join(MEMORY_DIRECTORY, name)) });
  const agent = createAgent({
    settings: {
      machineId: id,
      machineName: 'lab',
      disks: disks.map((disk) => ({ id: disk.id, path: disk.device })),
      vault: { url: vault.url, keyFile: vault.keyFile },
      directory,
      stateName,
      memoryDirectory: MEMORY_DIRECTORY,
      pointEvery: options.pointEvery,
      conflictCheck: options.conflictCheck,
    },
    onStart: (pid) => recorder.noteProcess(pid),
  });
  return { id, disks, vault, agent };
};
