import { create } from '@bufbuild/protobuf';
import { idBytes, idText, ProtectionState, type WantedRecovery, WantedRecoverySchema } from '@holdfast/protocol';
import type { TrackedReader } from '../control/follow.ts';
import { anchors } from '../records/kinds.ts';
import { type LeftOver, leftOvers } from './left-overs.ts';
import { GOALS, type Goal, openRecoveries, RECOVERY_KINDS, type RecoveryRecord, recoveries, wantedRecoveries } from './recovery-record.ts';

const message = async (
  read: TrackedReader,
  id: string,
  {
    kind,
    goal,
    runId,
    machineId,
    machineName,
    vault,
    point,
    target,
    attempt = 0,
    startRequest = '',
    commitCancelled = false,
  }: Required<Omit<LeftOver, 'goal' | 'although' | 'since'>> &
    Pick<RecoveryRecord, 'attempt' | 'startRequest' | 'commitCancelled'> & { readonly goal: Goal },
): Promise<WantedRecovery> => {
  const anchor = await read.get(anchors, machineId);
  return create(WantedRecoverySchema, {
    id: idBytes(id),
    runId: idBytes(runId),
    kind: RECOVERY_KINDS[kind],
    goal: GOALS[goal],
    machineId: idBytes(machineId),
    machineName,
    vault,
    pointId: idBytes(point.id),
    pointUnixMillis: BigInt(point.time),
    target,
    seenTerm: BigInt(anchor?.value.term ?? 0),
    attempt: BigInt(attempt),
    ...(startRequest !== '' && { startRequest: idBytes(startRequest) }),
    commitCancelled,
  });
};

/** What a process server shall carry out, and what it shall remove. */
export const recoveriesWanted = async (read: TrackedReader, serverId: string): Promise<readonly WantedRecovery[]> => {
  const wanted: WantedRecovery[] = [];
  for (const { id: place } of await read.list(wantedRecoveries, `${serverId}/`)) {
    const id = place.slice(serverId.length + 1);
    const recovery = await read.get(recoveries, id);
    if (recovery === undefined) continue;
    const { goal, point } = recovery.value;
    if (goal !== undefined && point !== undefined) wanted.push(await message(read, id, { ...recovery.value, goal, point }));
  }
  for (const { id: place, value } of await read.list(leftOvers, `${serverId}/`)) {
    const id = place.slice(serverId.length + 1);
    if (value.point === undefined || wanted.some((one) => idText(one.id) === id)) continue;
    wanted.push(await message(read, id, { ...value, point: value.point }));
  }
  return wanted;
};

/** States in which a source is silent, whatever else is known. */
const OVER: ReadonlySet<ProtectionState> = new Set([ProtectionState.FAILED_OVER, ProtectionState.COMMITTING]);

/**
 * The failover that keeps a machine from sending: its id, once its source is fenced or about to be; empty when only the vault knows it. Undefined: it may
 * send.
 */
export const silencedBy = async (read: TrackedReader, machineId: string, state: ProtectionState): Promise<string | undefined> => {
  const open = await read.get(openRecoveries, `${machineId}/failover`);
  const recovery = open === undefined ? undefined : await read.get(recoveries, open.value.recovery);
  const goal = recovery?.value.goal;
  if (goal === undefined || goal === 'held' || goal === 'released') return OVER.has(state) ? (open?.value.recovery ?? '') : undefined;
  return open!.value.recovery;
};
