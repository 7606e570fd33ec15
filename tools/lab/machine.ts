import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { newId } from '@holdfast/protocol';
import { type Agent, createAgent } from './agent/agent.ts';
import { type AgentDisk, logInMemory, type TraceSettings } from './agent/messages.ts';
import type { RunContext } from './context.ts';
import { createLabVault, type LabVault } from './lab-vault.ts';

/** A machine under protection: its vault, its agent, what that agent keeps. */
export interface LabMachine {
  readonly id: string;
  readonly disks: readonly AgentDisk[];
  readonly vault: LabVault;
  readonly agent: Agent;
}

/** Memory that no disk stands behind, for the state of the trace. */
export const MEMORY_DIRECTORY = '/dev/shm';

/** Name of the trace instance and of the tracking memory of a run. */
export const stateNameOf = (runId: string): string => `holdfast-lab-${runId}`;

const traceSettings = ({ options, recorder }: RunContext): TraceSettings => {
  const trace = { stateName: stateNameOf(recorder.id), memoryDirectory: MEMORY_DIRECTORY, conflictCheck: options.conflictCheck };
  recorder.note({ traceInstances: [trace.stateName], memory: [path.join(MEMORY_DIRECTORY, trace.stateName), logInMemory(trace)] });
  return trace;
};

export interface MachineOptions {
  /** Paths of its disks. */
  readonly disks: readonly string[];
  /** `trace` for devices, `scan` for image files. */
  readonly capture: 'trace' | 'scan';
  /** Seconds from point to point; as the options say unless told. */
  readonly pointEvery?: number;
}

/** Creates the vault and the agent of a machine with these disks; the agent is not started yet. */
export const createMachine = async (
  context: RunContext,
  { disks: devices, capture, pointEvery = context.options.pointEvery }: MachineOptions,
): Promise<LabMachine> => {
  const { recorder } = context;
  const id = newId();
  const disks = devices.map((device) => ({ id: newId(), path: device }));
  const vault = await createLabVault(context, { id, name: 'lab' });
  const directory = path.join(recorder.record.directory, 'agent');
  mkdirSync(directory);
  const agent = createAgent({
    settings: {
      machineId: id,
      disks,
      vault: { url: vault.url, keyFile: vault.keyFile },
      directory,
      pointEvery,
      trace: capture === 'trace' ? traceSettings(context) : undefined,
    },
    onStart: (pid) => recorder.noteProcess(pid),
  });
  return { id, disks, vault, agent };
};
