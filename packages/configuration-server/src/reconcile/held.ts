import { create } from '@bufbuild/protobuf';
import {
  type AgentReport,
  Direction,
  DiskPhase,
  idText,
  type LineState,
  type Manifest,
  newId,
  ProtectionSchema,
  ProtectionState,
  type ServerAssignment,
} from '@holdfast/protocol';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import { countUse } from '../jobs/protect-plan.ts';
import { listAll } from '../records/kind.ts';
import { assignments, machines, manifests, policies, protections } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';

export interface HeldParts {
  readonly store: StateStore;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
}

const ACTOR = 'reconciliation';

/** The line of a machine in a vault, of what process servers told. */
export const lineOf = (servers: ServerPresence, machineId: string, vault: string): LineState | undefined => {
  for (const id of servers.connected())
    for (const line of servers.get(id)?.report?.lines ?? [])
      if (line.vault === vault && line.problemCode === '' && idText(line.machineId) === machineId) return line;
  return undefined;
};

const holds = (servers: ServerPresence, server: string, machineId: string): boolean =>
  servers.get(server)?.report?.held.some((held) => idText(held.machineId) === machineId) === true;

/** Whether an agent says what it works on: one that has just started does not yet. */
const isAtWork = (report: AgentReport | undefined): report is AgentReport =>
  report?.disks.some(({ phase }) => phase > DiskPhase.UNPROTECTED) === true;

/** Disks of the machine that its agent does not work on. */
const notProtected = (manifest: Manifest, { disks }: AgentReport): string[] => {
  const working = new Set(disks.filter(({ phase }) => phase > DiskPhase.UNPROTECTED).map(({ diskId }) => idText(diskId)));
  return manifest.disks.map(({ id }) => idText(id)).filter((id) => !working.has(id));
};

/** The policy that keeps points as long; the default one, or any, where there is none. */
const policyFor = async (store: StateStore, retention: string): Promise<string | undefined> => {
  const all: { readonly id: string; readonly rank: number }[] = [];
  for await (const { id, value } of listAll(store, policies))
    all.push({ id, rank: value.retention === retention && retention !== '' ? 0 : value.name === 'default' ? 1 : 2 });
  return all.toSorted((a, b) => a.rank - b.rank)[0]?.id;
};

/** Writes down that a machine which this server knows nothing of is protected: as its process server and its agent have it in force. */
const adopt = async (
  { store, servers }: HeldParts,
  transaction: Transaction,
  server: string,
  held: ServerAssignment,
  report: AgentReport,
): Promise<boolean> => {
  const machineId = idText(held.machineId);
  const machine = await transaction.read(machines, machineId);
  const manifest = await transaction.read(manifests, machineId);
  const policyId = await policyFor(store, held.retention);
  if (machine === undefined || manifest === undefined || policyId === undefined || machine.value.protectionId !== '') return false;
  const id = newId();
  const isFailedOver = (lineOf(servers, machineId, held.vault)?.failoverOperationId.length ?? 0) > 0;
  const protection = create(ProtectionSchema, {
    machineId,
    policyId,
    vault: held.vault,
    processServerId: server,
    excludedDiskIds: notProtected(manifest.value, report),
    direction: Direction.FORWARD,
    state: isFailedOver ? ProtectionState.FAILED_OVER : ProtectionState.PROTECTED,
  });
  transaction.put(protections, id, protection);
  transaction.put(machines, machineId, { ...machine.value, protectionId: id });
  transaction.put(assignments, `${server}/${machineId}`, { vault: held.vault, machineName: machine.value.name });
  await countUse(transaction, policyId, 1);
  transaction.event({
    severity: 'warning',
    code: 'protection-adopted',
    text: `${machine.value.name} was protected after the backup; its protection is known again, by the policy that fits best: look at it`,
    subject: machineId,
    actor: ACTOR,
  });
  return true;
};

/** Follows a machine that was moved after the backup, or of which its vault alone is known: it is where it is received. */
const follow = async ({ servers, agents }: HeldParts, transaction: Transaction, server: string, held: ServerAssignment): Promise<void> => {
  const machineId = idText(held.machineId);
  const machine = await transaction.read(machines, machineId);
  const protectionId = machine?.value.protectionId ?? '';
  const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
  if (machine === undefined || protection === undefined || protection.value.vault !== held.vault) return;
  const from = protection.value.processServerId;
  // Both hold it, or nobody knows what the other one holds: that is for people.
  if (from === server) return;
  if (from !== '') {
    if (servers.get(from)?.connected !== true || servers.get(from)?.report === undefined) return;
    if (holds(servers, from, machineId)) return;
    transaction.delete(assignments, `${from}/${machineId}`);
  }
  const manifest = from === '' ? (await transaction.read(manifests, machineId))?.value : undefined;
  const report = agents.get(machineId)?.report;
  const excludedDiskIds = manifest !== undefined && isAtWork(report) ? notProtected(manifest, report) : protection.value.excludedDiskIds;
  transaction.put(assignments, `${server}/${machineId}`, { vault: held.vault, machineName: machine.value.name });
  transaction.put(protections, protectionId, { ...protection.value, processServerId: server, excludedDiskIds });
  transaction.event({
    severity: 'information',
    code: 'protection-followed',
    text:
      from === ''
        ? `${machine.value.name} goes on at the process server that receives it`
        : `${machine.value.name} was moved to another process server after the backup`,
    subject: machineId,
    actor: ACTOR,
  });
};

/** Takes up what a process server holds that this server does not know of. What cannot be taken up yet stays a difference. */
export const takeHeld = async (parts: HeldParts, server: string, held: readonly ServerAssignment[]): Promise<void> => {
  for (const one of held) {
    const machineId = idText(one.machineId);
    await transact(parts.store, async (transaction) => {
      const machine = await transaction.read(machines, machineId);
      if (machine === undefined) return;
      if (machine.value.protectionId !== '') return follow(parts, transaction, server, one);
      const agent = parts.agents.get(machineId);
      if (agent?.connected === true && isAtWork(agent.report)) await adopt(parts, transaction, server, one, agent.report);
    });
  }
};

/** Machines that a process server holds, and that this server knows no protection of or one at another server, in words. */
export const heldDifferences = async ({ store, servers }: HeldParts): Promise<readonly string[]> => {
  const words: string[] = [];
  const at = new Map<string, { readonly name: string; readonly server: string }>();
  for await (const { id, value } of listAll(store, machines)) {
    const protection = value.protectionId === '' ? undefined : await store.get(protections.key(value.protectionId));
    at.set(id, { name: value.name, server: protection === undefined ? '' : protections.read(protection).value.processServerId });
  }
  for (const server of servers.connected())
    for (const { machineId, machineName, vault } of servers.get(server)?.report?.held ?? []) {
      const known = at.get(idText(machineId));
      if (known === undefined)
        words.push(
          `machine ${machineName}, which this server does not know, is received into vault ${await vaultName(store, vault)}: wait for its agent to connect`,
        );
      else if (known.server === '')
        words.push(
          `${known.name} is received into vault ${await vaultName(store, vault)}, and this server knows nothing of its protection: wait for its agent to connect`,
        );
      else if (known.server !== server) words.push(`${known.name} is received by another process server than this server knows of`);
    }
  return words;
};
