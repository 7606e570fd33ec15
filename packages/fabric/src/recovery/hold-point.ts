import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { holdMachine, listHolds, type MachineHistory, type RecoveryPoint, readMachine, releaseHold, type Vault } from '@holdfast/vault';

const reasonOf = (operationId: string): string => `recovery ${operationId}`;

export interface HeldPoint {
  readonly history: MachineHistory;
  readonly point: RecoveryPoint;
  /** Undefined where the rights are to read only. */
  readonly holdId: string | undefined;
}

const pointOf = (history: MachineHistory, pointId: string): RecoveryPoint => {
  const point = history.points.find(({ id }) => id === pointId);
  if (point !== undefined) return point;
  throw new HoldfastError('POINT_NOT_FOUND', {
    thing: `point ${pointId}`,
    why: `machine ${history.machine.id} has no such recovery point${history.damage.length > 0 ? ', and a part of its log is damaged' : ''}`,
    remedy: 'list its points and choose one of them',
  });
};

/**
 * Keeps a point, and all it needs, from being thinned and deleted until it is released: no lease, since the machine needs it also while no process looks
 * after it. One that the operation took before counts. Errors: MACHINE_NOT_FOUND, POINT_NOT_FOUND.
 */
export const holdPoint = async (vault: Vault, machineId: string, pointId: string, operationId: string): Promise<HeldPoint> => {
  const reason = reasonOf(operationId);
  const before = (await listHolds(vault, machineId)).find((hold) => hold.reason === reason && hold.points.includes(pointId));
  if (before !== undefined) {
    const history = await readMachine(vault, machineId);
    return { history, point: pointOf(history, pointId), holdId: before.id };
  }
  try {
    const hold = await holdMachine(vault, machineId, { points: [pointId], reason });
    try {
      return { history: hold.history, point: pointOf(hold.history, pointId), holdId: hold.id };
    } catch (cause) {
      await hold.release();
      throw cause;
    }
  } catch (cause) {
    if (!isHoldfastError(cause, 'NO_PERMISSION')) throw cause;
    const history = await readMachine(vault, machineId);
    return { history, point: pointOf(history, pointId), holdId: undefined };
  }
};

/** Every hold of an operation, noted or not. Who may not delete leaves them: they are listed with their reason. */
export const releasePoint = async (vault: Vault, machineId: string, operationId: string): Promise<void> => {
  const reason = reasonOf(operationId);
  for (const hold of await listHolds(vault, machineId)) if (hold.reason === reason) await releaseHold(vault, machineId, hold.id);
};
