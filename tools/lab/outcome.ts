import { GenerationReason } from '@holdfast/protocol';
import { checkMachine, type MachineHistory } from '@holdfast/vault';
import type { MachineFigures } from './installation/machine-watch.ts';
import type { OpenedLabVault } from './lab-vault.ts';
import type { LabMachine } from './machine.ts';
import type { Protection, Victim } from './protect.ts';
import type { CheckedPoint } from './verify/checked-point.ts';

/** All that a run came to. */
export interface Outcome {
  readonly protection: Protection;
  readonly figures: MachineFigures;
  /** SIGKILLs. */
  readonly kills: Readonly<Record<Victim, number>>;
  readonly checked: readonly CheckedPoint[];
  /** Points in the vault. */
  readonly made: number;
  /** Instants of points that were told to be durable and are not in the vault, milliseconds since 1970. */
  readonly lost: readonly number[];
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
export const resyncsOf = ({ generations }: MachineHistory): string[] =>
  [...generations.values()]
    .filter(({ generation }) => generation.reason === GenerationReason.RESYNCHRONIZATION)
    .map(({ diskId, generation }) => `disk ${diskId.slice(0, 8)}: ${generation.detail}`);

/** Instants of points that were told to be durable and are not in the vault, read afterwards. */
export const lostOf = ({ points }: Pick<MachineFigures, 'points'>, history: Pick<MachineHistory, 'points'>): number[] => {
  const there = new Set(history.points.map(({ time }) => time));
  return points.filter((time) => !there.has(time));
};

export interface OutcomeParts {
  readonly protection: Protection;
  readonly machine: LabMachine;
  readonly vault: OpenedLabVault;
  readonly checked: readonly CheckedPoint[];
  /** CPU seconds of processes beside those of the installation. */
  readonly cpuSeconds?: Readonly<Record<string, number>>;
}

/** Puts together what the parts of a run found, and has the vault read in full. */
export const createOutcome = async ({ protection, machine, vault, checked, cpuSeconds = {} }: OutcomeParts): Promise<Outcome> => {
  const { history, storedBytes } = vault;
  const { agent, processServer, configurationServer, store } = machine.installation;
  const { frames, findings } = await checkMachine(history);
  store?.sample();
  return {
    protection,
    figures: machine.figures,
    kills: { agent: agent.kills, processServer: processServer.kills },
    checked,
    made: history.points.length,
    lost: lostOf(machine.figures, history),
    resyncs: resyncsOf(history),
    vault: { storedBytes, frames, damage: findings.map(({ object, why }) => `${object}: ${why}`) },
    cpuSeconds: {
      agent: agent.cpuSeconds,
      processServer: processServer.cpuSeconds,
      configurationServer: configurationServer.cpuSeconds,
      ...(store === undefined ? {} : { store: store.cpuSeconds }),
      ...cpuSeconds,
    },
  };
};

/** A run is a success when every checked point is good, no promised point is missing, the vault is whole, and no disk had to start anew. */
export const isSuccess = ({ checked, lost, resyncs, vault }: Outcome): boolean =>
  checked.length > 0 && checked.every(({ good }) => good) && lost.length === 0 && resyncs.length === 0 && vault.damage.length === 0;
