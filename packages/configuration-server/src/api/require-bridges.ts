import type { RecoveryTarget } from '@holdfast/protocol';
import { find } from '../records/kind.ts';
import { type MachineRecord, protections } from '../records/kinds.ts';
import type { ApiParts } from './api-parts.ts';
import { requirePassed, targetOver } from './prerequisites.ts';

/**
 * Refuses a bridge when it is named, where the process server that would use it says that it is not there: not on the day of the failover. `wanted` is the id of the
 * one process server that is to run the machine, empty for any. Throws PREREQUISITES_MISSING.
 */
export const requireBridges = async (
  { store, checking }: Pick<ApiParts, 'store' | 'checking'>,
  { name, protectionId }: Pick<MachineRecord, 'name' | 'protectionId'>,
  over: RecoveryTarget,
  wanted = '',
): Promise<void> => {
  const protection = protectionId === '' ? undefined : await find(store, protections, protectionId);
  if (protection === undefined) return;
  const { vault, processServerId: own, target } = protection.value;
  const { fabric } = targetOver(target, over);
  requirePassed(name, { findings: await checking.bridges({ vault, fabric, wanted, own }, over) });
};
