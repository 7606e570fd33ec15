import { create } from '@bufbuild/protobuf';
import { Direction, idText, type Recovery, RecoverySchema } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import type { Stored } from '../records/kind.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { type ChosenPoint, GOALS, RECOVERY_KINDS, RECOVERY_STATES, type RecoveryRecord } from './recovery-record.ts';

const pointMessage = ({ id, time, kind, disks, unreadable }: ChosenPoint) => ({
  id,
  unixMillis: BigInt(time),
  kind,
  disks: [...disks],
  unreadableBytes: BigInt(unreadable),
});

/** A recovery as people see it, with what its process server told last. */
export const recoveryMessage = async (
  store: Pick<StateStore, 'get'>,
  { id, version, value }: Omit<Stored<RecoveryRecord>, 'key'>,
  servers: ServerPresence,
): Promise<Recovery> => {
  const known = value.state === 'ended' ? undefined : servers.get(value.serverId);
  const report = known?.connected === true ? known.report?.recoveries.find((one) => idText(one.id) === id) : undefined;
  return create(RecoverySchema, {
    id,
    version: BigInt(version),
    kind: RECOVERY_KINDS[value.kind],
    direction: Direction.FORWARD,
    machineId: value.machineId,
    machineName: value.machineName,
    vault: await vaultName(store, value.vault),
    processServerId: value.serverId,
    ...(value.point === undefined ? {} : { point: pointMessage(value.point) }),
    target: value.target,
    ...(value.goal === undefined ? {} : { goal: GOALS[value.goal] }),
    state: RECOVERY_STATES[value.state],
    startedBy: value.startedBy,
    createdUnixMillis: BigInt(value.created),
    endedUnixMillis: BigInt(value.ended),
    startMillis: BigInt(value.startMillis),
    notes: value.notes,
    ...(report === undefined ? {} : { report }),
    jobId: value.jobId,
    sourceShutdown: value.sourceShutdown,
  });
};
