import { GenerationReason } from '@holdfast/protocol';
import { checkMachine, type MachineHistory } from '@holdfast/vault';
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
  /** Points the agent was told are durable and the vault does not have. */
  readonly lost: readonly string[];
  /** Why disks had to be resynchronized, one entry each time. */
  readonly resyncs: readonly string[];
  readonly vault: VaultFindings;
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

/** What reading all of the vault came to. */
export interface VaultFindings {
  /** Bytes of all objects. */
  readonly storedBytes: number;
  /** Frames whose every block was decoded and held against its digest. */
  readonly frames: number;
  /** What is wrong, in words. */
  readonly damage: readonly string[];
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

/** Puts together what the parts of a run found, and has the vault read in full. */
export const createOutcome = async ({ protection, agent, vault, checked, cpuSeconds = {} }: OutcomeParts): Promise<Outcome> => {
  const { history, storedBytes } = vault;
  const { frames, findings } = await checkMachine(history);
  const there = new Set(history.points.map(({ id }) => id));
  return {
    protection,
    figures: agent.figures,
    checked,
    made: history.points.length,
    lost: agent.figures.points.map(({ id }) => id).filter((id) => !there.has(id)),
    resyncs: resyncsOf(history),
    vault: { storedBytes, frames, damage: findings.map(({ object, why }) => `${object}: ${why}`) },
    cpuSeconds: { agent: agent.figures.cpuSeconds, ...cpuSeconds },
  };
};

/** A run is a success when every checked point is good, no promised point is missing, the vault is whole, and the agent never had to start anew. */
export const isSuccess = ({ checked, lost, resyncs, vault }: Outcome): boolean =>
  checked.length > 0 && checked.every(({ good }) => good) && lost.length === 0 && resyncs.length === 0 && vault.damage.length === 0;
