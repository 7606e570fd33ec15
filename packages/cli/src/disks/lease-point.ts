import { type Lease, leaseMachine, type MachineHistory, type RecoveryPoint } from '@holdfast/vault';
import { orStopped } from '../or-stopped.ts';
import type { Surroundings } from '../surroundings.ts';

/** Keeps a point, and all it needs, from being thinned and deleted while it is read; says so where that is not possible. Errors: MACHINE_NOT_FOUND. */
export const leasePoint = async (
  { stderr, stop }: Surroundings,
  { vault, machine }: MachineHistory,
  { id }: RecoveryPoint,
  reason: string,
): Promise<Lease> => {
  const leasing = leaseMachine(vault, machine.id, {
    points: [id],
    reason,
    onTrouble: ({ message }) =>
      stderr.write(`The hold on the point could not be renewed, a keeper may soon delete what is read: ${message}\n`),
  });
  // What is taken when nobody waits any more is let go of.
  if (stop.aborted) leasing.then((lease) => lease.close()).catch(() => {});
  const lease = await orStopped(stop, leasing);
  if (!lease.held) stderr.write('With these rights nothing can be held: a keeper may delete the point while it is read.\n');
  return lease;
};
