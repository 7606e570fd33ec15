import { GenerationReason } from '@holdfast/protocol';
import type { MachineHistory } from '@holdfast/vault';
import type { AgentFigures } from './agent/agent.ts';
import type { Protection } from './protect.ts';
import type { CheckedPoint } from './verify/checked-point.ts';

/** All that a run came to. */
export interface Outcome {
  readonly protection: Protection;
  readonly figures: Omit<AgentFigures, 'cpuSeconds'>;
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
export const resyncsOf = ({ generations }: MachineHistory): string[] =>
  [...generations.values()]
    .filter(({ generation }) => generation.reason === GenerationReason.RESYNCHRONIZATION)
    .map(({ diskId, generation }) => `disk ${diskId.slice(0, 8)}: ${generation.detail}`);

/** A run is a success when it made points, every checked one is good, and the agent never had to start anew. */
export const isSuccess = ({ checked, resyncs }: Outcome): boolean =>
  checked.length > 0 && checked.every(({ good }) => good) && resyncs.length === 0;
