import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { HardwareIdentity, Log } from '@holdfast/daemon';
import { Direction, type Manifest, newId, ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { type MachineHistory, readMachine, type Vault } from '@holdfast/vault';
import { openAuthority } from '../authority/authority.ts';
import { fillEmptyState } from '../backup/empty-state.ts';
import { plainName, takeName } from '../enrolment/member-name.ts';
import { ensureInstallation } from '../first-start.ts';
import { countUse } from '../jobs/protect-plan.ts';
import { listAll } from '../records/kind.ts';
import { anchors, machines, manifests, members, policies, protections, SITE, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { fillLevelStore, openLevelStore } from '../state/level-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaults as vaultKind } from '../vaults/vault-record.ts';

/** A vault, by the name that process servers give it in their settings. */
export interface NamedVault {
  readonly name: string;
  readonly vault: Vault;
}

export interface RebuildOptions {
  readonly vaults: readonly NamedVault[];
  readonly stateDirectory: string;
  readonly log: Log;
  readonly now?: () => number;
}

/** What became of a machine that a vault knows. */
export interface RebuiltMachine {
  readonly id: string;
  readonly name: string;
  readonly vault: string;
  readonly points: number;
  /** Milliseconds since 1970. */
  readonly newest: number | undefined;
  readonly state: 'protected' | 'failed over' | 'not protected';
  /** What of its log could not be read, in words. */
  readonly damage: readonly string[];
}

const ACTOR = 'rebuild';
const LIMITS = { events: Number.MAX_SAFE_INTEGER, audit: Number.MAX_SAFE_INTEGER, changes: Number.MAX_SAFE_INTEGER };
/** A machine whose newest point is older than the newest of its vault by this much was not protected any more. */
const RETIRED = 30 * 24 * 3_600_000;

/** What tells the machine when it comes to join: its network cards; a manifest knows no more of it. */
const hardwareOf = (manifest: Manifest | undefined): HardwareIdentity => ({
  productUuid: '',
  productSerial: '',
  machineId: '',
  macAddresses: [
    ...new Set((manifest?.networkInterfaces ?? []).map(({ mac }) => mac.toLowerCase()).filter((mac) => mac !== '')),
  ].toSorted(),
});

const newestOf = ({ points }: MachineHistory): number | undefined => points.at(-1)?.time;

/** A machine in one vault. */
interface Found {
  readonly vault: string;
  readonly vaultId: string;
  readonly history: MachineHistory;
  /** It was not protected there any more. */
  readonly isRetired: boolean;
}

/** The vault itself; where it is for process servers they tell. */
const putVault = async (store: StateStore, { name: wanted, vault: { id } }: NamedVault, registered: number): Promise<void> => {
  await transact(store, async (transaction) => {
    if ((await transaction.read(vaultKind, id)) !== undefined) return;
    const name = await takeName(transaction, 'vault', wanted, id);
    transaction.put(vaultKind, id, { name, aliases: [wanted], location: '', place: '', registered });
  });
};

/** Writes one machine down as its vault knows it. */
const putMachine = async (
  store: StateStore,
  { vault: name, vaultId, history, isRetired }: Found,
  policyId: string,
): Promise<RebuiltMachine> => {
  const { id } = history.machine;
  const newest = history.points.at(-1);
  const manifest = newest?.manifest ?? [...history.manifests.values()].at(-1);
  const state = history.failedOver !== undefined ? 'failed over' : newest === undefined || isRetired ? 'not protected' : 'protected';
  const { result } = await transact(store, async (transaction) => {
    const wanted = plainName(manifest?.machineName || history.machine.name, 'machine');
    const called = await takeName(transaction, 'machine', wanted, id);
    const protectionId = state === 'not protected' ? '' : newId();
    transaction.put(machines, id, { name: called, agentVersion: '', lastSeen: 0, protectionId });
    // Enrolments begin anew: certificates of the authority that was lost count no more in any case.
    const member = { role: 'agent', hardware: hardwareOf(manifest), incarnation: 0, certificates: [], endpoints: [] } as const;
    transaction.put(members, id, member);
    if (manifest !== undefined) transaction.put(manifests, id, manifest);
    const { term, sequence, tag } = history.head;
    transaction.put(anchors, id, { term, durableSequence: Math.max(0, sequence), durableTag: tag });
    if (state === 'not protected') return called;
    const { failedOver } = history;
    transaction.put(
      protections,
      protectionId,
      create(ProtectionSchema, {
        machineId: id,
        policyId,
        vault: vaultId,
        direction: Direction.FORWARD,
        state: failedOver === undefined ? ProtectionState.PROTECTED : ProtectionState.FAILED_OVER,
        stateDetail:
          failedOver === undefined
            ? ''
            : `its vault says so: operation ${failedOver.operationId.slice(0, 8)}, point ${failedOver.pointId.slice(0, 8)}`,
      }),
    );
    await countUse(transaction, policyId, 1);
    return called;
  });
  return told({ vault: name, vaultId, history, isRetired }, result, state);
};

const told = ({ vault, history }: Found, name: string, state: RebuiltMachine['state']): RebuiltMachine => ({
  id: history.machine.id,
  name,
  vault,
  points: history.points.length,
  newest: newestOf(history),
  state,
  damage: history.damage.map(({ object, why }) => `${object}: ${why}`),
});

/** A machine that went to another vault since: what is known of it is told there, and of this line only the term counts on. */
const putOlderLine = async (store: StateStore, found: Found): Promise<RebuiltMachine> => {
  const { machine, head } = found.history;
  const { result } = await transact(store, async (transaction) => {
    const known = await transaction.read(machines, machine.id);
    const anchor = await transaction.read(anchors, machine.id);
    if (anchor !== undefined && head.term > anchor.value.term) transaction.put(anchors, machine.id, { ...anchor.value, term: head.term });
    return known?.value.name ?? machine.name;
  });
  return told(found, result, 'not protected');
};

const findIn = async ({ name, vault }: NamedVault): Promise<readonly Found[]> => {
  const histories: MachineHistory[] = [];
  for (const { id } of await vault.machines()) histories.push(await readMachine(vault, id));
  const newest = Math.max(0, ...histories.map((history) => newestOf(history) ?? 0));
  return histories.map((history) => ({ vault: name, vaultId: vault.id, history, isRetired: newest - (newestOf(history) ?? 0) > RETIRED }));
};

/** Of a machine that is in several vaults the one with its newest point counts, in whatever order the vaults are named. */
const putMachines = async (store: StateStore, vaults: readonly NamedVault[], policyId: string): Promise<readonly RebuiltMachine[]> => {
  const found: Found[] = [];
  for (const named of vaults) found.push(...(await findIn(named)));
  const newestLine = new Map<string, Found>();
  for (const one of found) {
    const other = newestLine.get(one.history.machine.id);
    if (other === undefined || (newestOf(one.history) ?? 0) > (newestOf(other.history) ?? 0)) newestLine.set(one.history.machine.id, one);
  }
  const done: RebuiltMachine[] = [];
  for (const one of newestLine.values()) done.push(await putMachine(store, one, policyId));
  for (const one of found) if (newestLine.get(one.history.machine.id) !== one) done.push(await putOlderLine(store, one));
  return done;
};

/** Revisions begin above all that the lost server ever gave out: it made fewer commits than seconds passed. */
const firstRevision = (now: number): number => Math.floor(now / 1000);

/**
 * Makes the state of a configuration server without any backup, of what vaults know: machines, what they were, whether they are failed over, the
 * terms of their logs. People, policies, and the certificate authority are new; whoever was a member joins anew, and a machine is known again by its
 * network cards. The fences in the vaults decide who replicates, whatever comes back first. Errors as of `readMachine`, OBJECT_EXISTS.
 */
export const rebuild = ({ vaults, stateDirectory, log, now = Date.now }: RebuildOptions): Promise<readonly RebuiltMachine[]> =>
  fillEmptyState(stateDirectory, async (beside) => {
    const place = path.join(beside, 'state');
    const state = { format: 1, revision: firstRevision(now()), compacted: firstRevision(now()), events: 0, audit: 0, changes: 0 };
    await fillLevelStore(
      place,
      (async function* () {
        yield ['m/state', state] as const;
      })(),
    );
    const store = await openLevelStore(place, LIMITS);
    try {
      await ensureInstallation(store, beside, log);
      let policyId = '';
      for await (const { id } of listAll(store, policies)) policyId = id;
      for (const named of vaults) await putVault(store, named, now());
      const done = await putMachines(store, vaults, policyId);
      await transact(store, async (transaction) => {
        const site = await transaction.read(sites, SITE);
        transaction.put(sites, SITE, { ...site!.value, restored: { from: 'vault', made: now(), at: now() } });
        const detail = vaults.map(({ name, vault }) => `${name} (${vault.store.url})`).join(', ');
        transaction.event({
          severity: 'warning',
          code: 'rebuilt',
          text: `This configuration server was rebuilt from ${detail}: people, policies and settings of protections have to be made anew`,
          subject: '',
          actor: ACTOR,
        });
        transaction.audit({ actor: ACTOR, action: 'Rebuild', subject: '', detail });
      });
      await openAuthority(path.join(beside, 'authority'));
      return done;
    } finally {
      await store.close();
    }
  });
