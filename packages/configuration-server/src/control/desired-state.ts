import { create } from '@bufbuild/protobuf';
import {
  type AgentProtection,
  AgentProtectionSchema,
  idBytes,
  idText,
  ProtectionState,
  type ServerAssignment,
  ServerAssignmentSchema,
} from '@holdfast/protocol';
import { anchors, assignments, machines, manifests, policies, protections, revocations, servers } from '../records/kinds.ts';
import { pointRequests } from '../records/point-requests.ts';
import { shutdownRequests } from '../records/shutdown-requests.ts';
import { silencedBy } from '../recovery/recoveries-wanted.ts';
import { FAILING } from '../recovery/recovery-commits.ts';
import { serialBytes } from '../serial.ts';
import type { TrackedReader } from './follow.ts';

/** States in which a machine sends its changes. */
const SENDING: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.PREPARING,
  ProtectionState.COPYING,
  ProtectionState.PROTECTED,
  ProtectionState.RESYNCHRONIZING,
  ProtectionState.FAILED,
]);

/** What a machine shall do; one that is failed over tracks its changes and sends nothing, so that cancelling costs no resynchronization; undefined when nothing is to be protected, or no process server is chosen yet. */
export const agentState = async (read: TrackedReader, machineId: string): Promise<AgentProtection | undefined> => {
  const machine = await read.get(machines, machineId);
  if (machine === undefined || machine.value.protectionId === '') return undefined;
  const protection = await read.get(protections, machine.value.protectionId);
  if (protection === undefined) return undefined;
  if (!SENDING.has(protection.value.state) && !FAILING.has(protection.value.state)) return undefined;
  const { policyId, processServerId, excludedDiskIds } = protection.value;
  const policy = await read.get(policies, policyId);
  // None is chosen yet for a machine that has not begun.
  if (processServerId === '' && protection.value.state === ProtectionState.PREPARING) return undefined;
  const server = processServerId === '' ? undefined : await read.get(servers, processServerId);
  const manifest = await read.get(manifests, machineId);
  if (policy === undefined || manifest === undefined) return undefined;
  const request = await read.get(pointRequests, machineId);
  const shutdown = await read.get(shutdownRequests, machineId);
  const silenced = await silencedBy(read, machineId, protection.value.state);
  const wanted = manifest.value.disks.filter(({ id }) => !excludedDiskIds.includes(idText(id)));
  return create(AgentProtectionSchema, {
    machineId: idBytes(machineId),
    diskIds: wanted.map(({ id }) => id),
    excludedDiskIds: excludedDiskIds.map(idBytes),
    // Of one whose server was removed nothing ends: what it holds goes to the next one.
    processServers: silenced === undefined && server !== undefined ? [...server.value.endpoints] : [],
    pointIntervalSeconds: policy.value.pointIntervalSeconds,
    compression: policy.value.compression,
    applicationIntervalSeconds: policy.value.applicationIntervalSeconds,
    hold: policy.value.hold,
    holdLimitMilliseconds: policy.value.holdLimitMilliseconds,
    resyncWindows: [...policy.value.resyncWindows],
    bandwidth: [...policy.value.bandwidth],
    copyPaused: protection.value.copyPaused,
    ...(protection.value.resyncId === '' ? {} : { resyncId: idBytes(protection.value.resyncId) }),
    ...(silenced === undefined || silenced === '' ? {} : { failedOverOperationId: idBytes(silenced) }),
    ...(shutdown === undefined ? {} : { shutdownRequest: { id: idBytes(shutdown.value.requestId), powerOff: shutdown.value.powerOff } }),
    ...(request === undefined ? {} : { pointRequest: { id: idBytes(request.value.requestId), kind: request.value.kind } }),
  });
};

/** What a process server shall receive, and whom it shall refuse. */
export interface ServerState {
  readonly assignments: readonly ServerAssignment[];
  readonly revokedSerials: readonly Uint8Array[];
}

export const serverState = async (read: TrackedReader, serverId: string): Promise<ServerState> => {
  const assigned = await read.list(assignments, `${serverId}/`);
  const revoked = await read.list(revocations, '');
  return {
    assignments: await Promise.all(
      assigned.map(async ({ id, value: { vault, machineName } }) => {
        const machineId = id.slice(serverId.length + 1);
        const anchor = await read.get(anchors, machineId);
        const machine = await read.get(machines, machineId);
        const protectionId = machine?.value.protectionId ?? '';
        const protection = protectionId === '' ? undefined : await read.get(protections, protectionId);
        const policy = protection && (await read.get(policies, protection.value.policyId));
        return create(ServerAssignmentSchema, {
          machineId: idBytes(machineId),
          machineName,
          vault,
          seenTerm: BigInt(anchor?.value.term ?? 0),
          retention: policy?.value.retention ?? '',
          sealIntervalMilliseconds: (policy?.value.sealIntervalSeconds ?? 0) * 1000,
          rpoThresholdSeconds: policy?.value.rpoThresholdSeconds ?? 0,
        });
      }),
    ),
    revokedSerials: revoked.map(({ id }) => serialBytes(id)),
  };
};
