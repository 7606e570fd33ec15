import { HoldfastError } from '@holdfast/errors';
import type { Protection } from '@holdfast/protocol';
import { find } from '../records/kind.ts';
import { machines, protections } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import type { RunMachine } from './plan-record.ts';

/** The protection of a machine of a run. Errors: MACHINE_NOT_PROTECTED. */
export const protectionOf = async (store: StateStore, { machineId, name }: Pick<RunMachine, 'machineId' | 'name'>): Promise<Protection> => {
  const protectionId = (await find(store, machines, machineId))?.value.protectionId ?? '';
  const protection = protectionId === '' ? undefined : await find(store, protections, protectionId);
  if (protection !== undefined) return protection.value;
  throw new HoldfastError('MACHINE_NOT_PROTECTED', {
    thing: `machine ${name}`,
    why: 'it is not protected',
    remedy: 'protect it, or take it out of the plan',
  });
};
