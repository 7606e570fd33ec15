import { GenerationReason } from '@holdfast/protocol';
import type { MachineHistory } from '@holdfast/vault';
import type { Agent, AgentFigures } from './agent/agent.ts';
import type { OpenedLabVault } from './lab-vault.ts';
import type { Protection } from './protect.ts';
import type { CheckedPoint } from './verify/checked-point.ts';

/** All that a run came to. */
export interface Outcome {
  readonly protection: Protection;
  readonly figures: AgentFigures;
  readonly checked: readonly CheckedPoint[];
  /** Points in the vault. */
  readonly made: number;
  /** Why disks had to be resynchronized, one entry each time. */
  readonly resyncs: readonly string[];
  /** Bytes of all objects of the vault. */
  readonly storedBytes: number;
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

/** Every resynchronization the vault tells of. */
const resyncsOf = ({ generations }: MachineHistory): string[] =>
  [...generations.values()]
    .filter(({ generation }) => generation.reason === GenerationReason.RESYNCHRONIZATION)
    .map(({ diskId, generation }) => `disk ${diskId.slice(0, 8)}: ${generation.detail}`);

export interface OutcomeParts {
  readonly protection: Protection;
  readonly agent: Agent;
  readonly vault: OpenedLabVault;
  readonly checked: readonly CheckedPoint[];
  /** CPU seconds of processes beside the agent. */
  readonly cpuSeconds?: Readonly<Record<string, number>>;
}

export const createOutcome = ({ protection, agent, vault, checked, cpuSeconds = {} }: OutcomeParts): Outcome => ({
  protection,
  figures: agent.figures,
  checked,
  made: vault.history.points.length,
  resyncs: resyncsOf(vault.history),
  storedBytes: vault.storedBytes,
  cpuSeconds: { agent: agent.figures.cpuSeconds, ...cpuSeconds },
});

/** A run is a success when it made points, every checked one is good, and the agent never had to start anew. */
export const isSuccess = ({ checked, resyncs }: Outcome): boolean =>
  checked.length > 0 && checked.every(({ good }) => good) && resyncs.length === 0;
