import type { Clock } from './clock.ts';
import type { Anchor } from './head.ts';
import { notYet, type Vault } from './vault.ts';

export interface FailoverOptions {
  /** Random id of the operation, 32 hexadecimal digits. */
  readonly operationId: string;
  readonly seenTerm?: number;
  readonly clock?: Clock;
}

/** Takes a term and writes that the machine is failed over to a point: from then on nobody appends. Resolves to the record's slot. */
export const recordFailover = async (
  _vault: Vault,
  machineId: string,
  _options: FailoverOptions & { readonly pointId: string },
): Promise<Anchor> => notYet(machineId);

/** Takes a term and ends the failed-over state: from then on a writer may append again. */
export const recordRelease = async (_vault: Vault, machineId: string, _options: FailoverOptions): Promise<Anchor> => notYet(machineId);
