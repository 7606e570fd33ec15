import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type FailedOver, type MachineHistory, readMachine, recordFailover, recordRelease, type Vault } from '@holdfast/vault';
import type { Wanted } from './wanted.ts';

/** Somebody may take terms at the same moment: the writer of the source comes back once or twice until it knows. */
const ATTEMPTS = 5;
const PAUSE = 200;

type Fence = Pick<Wanted, 'id' | 'machineId' | 'pointId' | 'attempt' | 'seenTerm'>;

/** Does `work` unless `isDone`; again when somebody else took a term in between, though not against another operation's failover. */
const untilDone = async (
  vault: Vault,
  { id, machineId }: Omit<Fence, 'pointId' | 'attempt'>,
  isDone: (history: MachineHistory) => boolean,
  work: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    const history = await readMachine(vault, machineId);
    if (isDone(history)) return;
    signal.throwIfAborted();
    try {
      await work();
      return;
    } catch (reason) {
      const { failedOver } = history;
      const isOthers = failedOver !== undefined && failedOver.operationId !== id;
      if (!isHoldfastError(reason, 'FENCED') || isOthers || attempt === ATTEMPTS) throw reason;
    }
    await sleep(PAUSE * attempt, undefined, { signal });
  }
};

const over = (operationId: string, why: string): HoldfastError =>
  new HoldfastError('FENCED', {
    thing: `failover ${operationId}`,
    why,
    remedy: 'remove what this server still runs of it: both machines may serve people',
  });

/** Another attempt of the same operation is under way, elsewhere. Records of before tell no attempt: then another point tells it. */
const isReplaced = ({ attempt, pointId }: FailedOver, wanted: Fence, fencedAt: string | undefined): boolean => {
  if (attempt !== undefined) return attempt > wanted.attempt;
  return fencedAt !== undefined && fencedAt !== '' && pointId !== wanted.pointId && pointId !== fencedAt;
};

/**
 * The log says that the machine is failed over to the point, and which attempt of it counts: its source appends nothing. `fencedAt` is the point that we
 * fenced it at before; where the log says nothing of it any more, or names a later attempt, the failover was taken back, or goes on, without us. Errors:
 * FENCED (by another failover, or that), POINT_NOT_FOUND.
 */
export const fence = async (vault: Vault, wanted: Fence, fencedAt: string | undefined, signal: AbortSignal): Promise<void> => {
  const { id: operationId, machineId, pointId, attempt, seenTerm } = wanted;
  const isDone = ({ failedOver }: MachineHistory): boolean => {
    if (failedOver === undefined && fencedAt !== undefined) throw over(operationId, 'its source was released elsewhere, so it is over');
    if (failedOver?.operationId !== operationId) return false;
    if (isReplaced(failedOver, wanted, fencedAt)) throw over(operationId, 'another process server goes on with it');
    return failedOver.pointId === pointId && (failedOver.attempt ?? 0) >= attempt;
  };
  return untilDone(vault, wanted, isDone, () => recordFailover(vault, machineId, { operationId, pointId, attempt, seenTerm }), signal);
};

/** The log does not say any more that the machine is failed over by this operation. */
export const isReleased = async (vault: Vault, { id, machineId }: Pick<Wanted, 'id' | 'machineId'>): Promise<boolean> =>
  (await readMachine(vault, machineId)).failedOver?.operationId !== id;

/** The log says that the failover is over: the source may append again. Does nothing where it never said that there was one. */
export const release = (vault: Vault, wanted: Omit<Fence, 'pointId' | 'attempt'>, signal: AbortSignal): Promise<void> => {
  const { id: operationId, machineId, seenTerm } = wanted;
  return untilDone(
    vault,
    wanted,
    ({ failedOver }) => failedOver?.operationId !== operationId,
    () => recordRelease(vault, machineId, { operationId, seenTerm }),
    signal,
  );
};
