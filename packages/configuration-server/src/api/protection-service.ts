import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import {
  CheckFindingSchema,
  CheckResult,
  Direction,
  idText,
  isId,
  newId,
  PointKind,
  type Protection,
  ProtectionSchema,
  type ProtectionService,
  ProtectionState,
  type RecoveryTarget,
  RecoveryTargetSchema,
} from '@holdfast/protocol';
import { serversFor } from '../jobs/choose-server.ts';
import { jobMessage } from '../jobs/job-message.ts';
import { POINT_KINDS } from '../jobs/point-plan.ts';
import { countUse } from '../jobs/protect-plan.ts';
import { refuseBusy } from '../jobs/refuse-busy.ts';
import { startJob } from '../jobs/start-job.ts';
import { personOf } from '../listener/caller.ts';
import { listPage, type Stored } from '../records/kind.ts';
import { machines, manifests, policies, protections, servers as serverKind } from '../records/kinds.ts';
import { pointRequests } from '../records/point-requests.ts';
import { transact } from '../records/transaction.ts';
import { isOperation, MACHINE_OPERATIONS } from '../recovery/operations.ts';
import { committedFailover, requireSourceAgain } from '../recovery/release-fence.ts';
import { explain, protectionFor, requireOperation } from '../recovery/require-operation.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName, vaults } from '../vaults/vault-record.ts';
import type { ApiParts } from './api-parts.ts';
import { ensureFailbackPolicy } from './failback-policy.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { excludedDisks, refuseWayHome, requirePassed, requireVaultInUse, targetOver } from './prerequisites.ts';
import { requireBridges } from './require-bridges.ts';
import { requireVersion, resolve } from './resolve.ts';
import { wantedProtection } from './wanted-protection.ts';

const messageOf = async (store: StateStore, { id, version, value }: Omit<Stored<Protection>, 'key'>): Promise<Protection> => ({
  ...value,
  id,
  version: BigInt(version),
  vault: await vaultName(store, value.vault),
  vaultId: isId(value.vault) ? value.vault : '',
});

const gone = (id: string): HoldfastError =>
  new HoldfastError('MACHINE_NOT_FOUND', { thing: `machine ${id}`, why: 'it was removed a moment ago', remedy: 'list machines' });

const noPolicy = (name: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing: `policy ${name}`, why: 'it was deleted', remedy: 'name another' });

const placeWords = ({ network, testNetwork, size }: Pick<RecoveryTarget, 'network' | 'testNetwork' | 'size'>): string =>
  `on network ${network || 'isolated'}, tests on ${testNetwork || 'isolated'}, size ${size}`;

/** Has the agent compare all disks with the vault; how far it is shows in the state of the protection, which lasts longer than a job should. */
const resynchronize = (store: StateStore, machineId: string, actor: string) =>
  transact(store, async (transaction) => {
    const current = await transaction.read(machines, machineId);
    if (current === undefined) throw gone(machineId);
    const { name, protectionId } = current.value;
    const protection = await protectionFor(transaction, current, 'resynchronize');
    transaction.put(protections, protectionId, { ...protection.value, resyncId: newId() });
    const text = `${name} is to be compared with its vault, disk by disk; points follow when that is done`;
    transaction.event({ severity: 'warning', code: 'resynchronization-requested', text, subject: machineId, actor });
    transaction.audit({ actor, action: 'Resynchronize', subject: machineId, detail: name });
  });

/** Milliseconds: many machines are protected at one moment, through one process server that looked around for the first of them. */
const SERVER_LOOK = 30_000;

/** Protects machines. */
export const createProtectionService = ({ store, servers, plans, checking }: ApiParts): ServiceImpl<typeof ProtectionService> => ({
  async protect(request, { values }) {
    const { name: actor } = personOf(values);
    const { machine, policy, wanted, excludedIn } = await wantedProtection(store, servers, request);
    const { vault, server: wantedServer, target } = wanted;
    await transact(store, (transaction) => requireOperation(transaction, machine, 'protect'));
    const checked = await checking.check(machine.id, wanted, { counts: true, age: SERVER_LOOK });
    requirePassed(machine.value.name, checked);
    const fencedBy = await committedFailover(store, machine.id, vault);
    if (fencedBy !== undefined) requireSourceAgain(machine.value.name, fencedBy, request.sourceAgain);
    const { revision, result } = await transact(store, async (transaction) => {
      const current = await transaction.read(machines, machine.id);
      if (current === undefined) throw gone(machine.id);
      const { name } = current.value;
      await requireOperation(transaction, current, 'protect');
      if ((await transaction.read(policies, policy.id)) === undefined) throw noPolicy(policy.value.name);
      const within = isId(vault) ? await transaction.read(vaults, vault) : undefined;
      if (within !== undefined) requireVaultInUse(within.value);
      const called = within?.value.name ?? vault;
      const manifest = (await transaction.read(manifests, machine.id))?.value;
      const excluded = excludedIn(manifest);
      const id = newId();
      const protection = create(ProtectionSchema, {
        machineId: machine.id,
        policyId: policy.id,
        vault,
        failbackPolicyId: await ensureFailbackPolicy(transaction, policy, actor),
        excludedDiskIds: [...excluded],
        direction: Direction.FORWARD,
        target,
        state: ProtectionState.PREPARING,
      });
      transaction.put(protections, id, protection);
      transaction.put(machines, machine.id, { ...current.value, protectionId: id });
      await countUse(transaction, policy.id, 1);
      const job = startJob(transaction, plans.protect, {
        kind: 'protect',
        machineId: machine.id,
        protectionId: id,
        startedBy: actor,
        wantedServer,
        ...(fencedBy === undefined ? {} : { input: { releases: fencedBy.id } }),
      });
      transaction.event({
        severity: 'information',
        code: 'protection-requested',
        text: `${name} is to be protected by policy ${policy.value.name} in vault ${called}`,
        subject: machine.id,
        actor,
      });
      transaction.audit({
        actor,
        action: 'Protect',
        subject: machine.id,
        detail: `policy ${policy.value.name}, vault ${called}${fencedBy === undefined ? '' : `, the source again after failover ${fencedBy.id}`}`,
      });
      return { id, protection, job };
    });
    return {
      job: jobMessage({ ...result.job, version: revision }),
      protection: await messageOf(store, { id: result.id, version: revision, value: result.protection }),
      warnings: checked.findings.filter((one) => one.result === CheckResult.WARNING).map((one) => create(CheckFindingSchema, one)),
    };
  },

  async unprotect({ machine: wanted, version }, { values }) {
    const { name: actor } = personOf(values);
    const machine = await resolve(store, machines, 'machine', wanted);
    const { revision, result: job } = await transact(store, async (transaction) => {
      const current = await transaction.read(machines, machine.id);
      if (current === undefined) throw gone(machine.id);
      const { name, protectionId } = current.value;
      await refuseBusy(store, transaction, machine.id, name);
      const protection = await protectionFor(transaction, current, 'unprotect');
      // States come and go by themselves while a machine replicates: whoever names no version means the protection as it is.
      if (version !== 0n) requireVersion(`protection of ${name}`, protection.version, version);
      transaction.put(protections, protectionId, { ...protection.value, state: ProtectionState.STOPPING, stateDetail: '' });
      const started = startJob(transaction, plans.unprotect, { kind: 'unprotect', machineId: machine.id, protectionId, startedBy: actor });
      transaction.event({
        severity: 'warning',
        code: 'protection-ended',
        text: `${name} is not protected any more; its points stay in vault ${await vaultName(store, protection.value.vault)}`,
        subject: machine.id,
        actor,
      });
      transaction.audit({ actor, action: 'Unprotect', subject: machine.id, detail: name });
      return started;
    });
    return { job: jobMessage({ ...job, version: revision }) };
  },

  async makePoint({ machine: wanted, kind }, { values }) {
    const { name: actor } = personOf(values);
    const asked = kind === PointKind.UNSPECIFIED ? PointKind.CRASH : kind;
    if (asked > PointKind.APPLICATION) throw requestInvalid('kind', `${kind} is no kind of point`, 'name crash, filesystem or application');
    const machine = await resolve(store, machines, 'machine', wanted);
    const { revision, result: job } = await transact(store, async (transaction) => {
      const current = await transaction.read(machines, machine.id);
      if (current === undefined) throw gone(machine.id);
      const { name, protectionId } = current.value;
      await refuseBusy(store, transaction, machine.id, name);
      await protectionFor(transaction, current, 'make-point');
      const started = startJob(transaction, plans.point, {
        kind: 'point',
        machineId: machine.id,
        protectionId,
        startedBy: actor,
        input: { point: POINT_KINDS.find(([one]) => one === asked)![1] },
      });
      transaction.put(pointRequests, machine.id, { requestId: newId(), kind: asked });
      transaction.audit({ actor, action: 'MakePoint', subject: machine.id, detail: name });
      return started;
    });
    return { job: jobMessage({ ...job, version: revision }) };
  },

  async updateProtection(request, { values }) {
    const { machine: wanted, version, policy: wantedPolicy, excludeDisks, includeDisks, copyPaused, target: over } = request;
    const { name: actor } = personOf(values);
    const machine = await resolve(store, machines, 'machine', wanted);
    const policy = wantedPolicy === '' ? undefined : await resolve(store, policies, 'policy', wantedPolicy);
    if (policy !== undefined) refuseWayHome(policy.value);
    if (over !== undefined) await requireBridges({ store, checking }, machine.value, over);
    const { revision, result } = await transact(store, async (transaction) => {
      const current = await transaction.read(machines, machine.id);
      if (current === undefined) throw gone(machine.id);
      const { name, protectionId } = current.value;
      const protection = await protectionFor(transaction, current, 'update');
      if (version !== 0n) requireVersion(`protection of ${name}`, protection.version, version);
      const manifest = (await transaction.read(manifests, machine.id))?.value;
      const excluded = new Set(protection.value.excludedDiskIds);
      const named = (disks: readonly string[]) => (manifest === undefined ? [] : excludedDisks(disks, manifest));
      for (const id of named(excludeDisks)) excluded.add(id);
      for (const id of named(includeDisks)) excluded.delete(id);
      if (manifest?.disks.every(({ id }) => excluded.has(idText(id))) === true)
        throw requestInvalid('exclude_disks', 'no disk would be left', 'leave one, or end the protection');
      const before = protection.value.policyId;
      if (policy !== undefined && policy.id !== before) {
        if ((await transaction.read(policies, policy.id)) === undefined) throw noPolicy(policy.value.name);
        await countUse(transaction, before, -1);
        await countUse(transaction, policy.id, 1);
      }
      const failbackPolicyId =
        policy === undefined ? protection.value.failbackPolicyId : await ensureFailbackPolicy(transaction, policy, actor);
      const paused = copyPaused ?? protection.value.copyPaused;
      const target = over === undefined ? protection.value.target : create(RecoveryTargetSchema, targetOver(protection.value.target, over));
      const next = {
        ...protection.value,
        failbackPolicyId,
        policyId: policy?.id ?? before,
        excludedDiskIds: [...excluded],
        copyPaused: paused,
        target,
      };
      transaction.put(protections, protectionId, next);
      const leftOut = manifest?.disks.filter(({ id }) => excluded.has(idText(id))).map((disk) => disk.name) ?? [];
      const words = `${policy === undefined ? '' : `policy ${policy.value.name}, `}disks left out: ${leftOut.join(', ') || 'none'}${paused ? ', copies rest' : ''}${over === undefined || target === undefined ? '' : `, recovered ${placeWords(target)}`}`;
      transaction.event({ severity: 'information', code: 'protection-changed', text: `${name}: ${words}`, subject: machine.id, actor });
      transaction.audit({ actor, action: 'UpdateProtection', subject: machine.id, detail: words });
      return { id: protectionId, value: next };
    });
    return { protection: await messageOf(store, { ...result, version: revision }) };
  },

  async move({ machine: wanted, processServer }, { values }) {
    const { name: actor } = personOf(values);
    const machine = await resolve(store, machines, 'machine', wanted);
    const wantedServer = processServer === '' ? '' : (await resolve(store, serverKind, 'server', processServer)).id;
    const { revision, result: job } = await transact(store, async (transaction) => {
      const current = await transaction.read(machines, machine.id);
      if (current === undefined) throw gone(machine.id);
      const { name, protectionId } = current.value;
      await refuseBusy(store, transaction, machine.id, name);
      const protection = await protectionFor(transaction, current, 'move');
      const { vault, processServerId } = protection.value;
      const others = (await serversFor(store, servers, vault)).filter((id) => id !== processServerId);
      if (wantedServer === '' ? others.length === 0 : !others.includes(wantedServer))
        throw new HoldfastError('PREREQUISITES_MISSING', {
          thing: `machine ${name}`,
          why:
            wantedServer !== '' && wantedServer === processServerId
              ? 'it goes through that process server already'
              : `no other process server that is connected, not drained, and holds the vault ${await vaultName(store, vault)} is there${wantedServer === '' ? '' : ' by that name'}`,
          remedy: 'see `holdfast server list`',
        });
      const started = startJob(transaction, plans.move, {
        kind: 'move',
        machineId: machine.id,
        protectionId,
        startedBy: actor,
        wantedServer,
      });
      transaction.audit({ actor, action: 'Move', subject: machine.id, detail: wantedServer });
      return started;
    });
    return { job: jobMessage({ ...job, version: revision }) };
  },

  async listProtections({ pageSize: size, pageToken: token }) {
    const page = await listPage(store, protections, pageSize(size), pagePlace(token, ID_PLACE));
    return { protections: await Promise.all(page.rows.map((row) => messageOf(store, row))), nextPageToken: pageToken(page.next) };
  },

  async operate({ machine: wanted, operation }, { values }) {
    const machine = await resolve(store, machines, 'machine', wanted);
    if (operation === 'resynchronize') {
      await resynchronize(store, machine.id, personOf(values).name);
      return {};
    }
    if (operation === 'planned-failover')
      throw requestInvalid(
        'operation',
        'there is no planned failover',
        'fail over with `--shutdown-source --point latest`, which loses nothing',
      );
    // What clients of earlier versions call it.
    const meant = operation === 'cancel' ? 'cancel-failover' : operation;
    if (!isOperation(meant)) throw requestInvalid('operation', `it is not one of ${MACHINE_OPERATIONS.join(', ')}`, 'name one of these');
    const { result: error } = await transact(store, (transaction) => explain(transaction, machine, meant));
    throw error;
  },
});
