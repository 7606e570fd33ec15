import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { CheckFindingSchema, isId, type Machine, MachineSchema, type MachineService, ProtectRequestSchema } from '@holdfast/protocol';
import { failures, type Wanted } from '../checks/check-machine.ts';
import { checkRecords } from '../checks/check-record.ts';
import { claimName, nameId } from '../enrolment/member-name.ts';
import { revokeCertificates } from '../enrolment/revoke.ts';
import { hasEnded, jobs, jobTurns } from '../jobs/job-record.ts';
import { openJobOf } from '../jobs/open-job-of.ts';
import { forgetProtection } from '../jobs/protect-plan.ts';
import { personOf } from '../listener/caller.ts';
import { machineProofs, NO_PROOFS, proofMessage } from '../proofs/proof-record.ts';
import { find, listAll, listPage, type Stored } from '../records/kind.ts';
import { anchors, assignments, type MachineRecord, machines, manifests, members, names, policies, protections } from '../records/kinds.ts';
import { pointRequests } from '../records/point-requests.ts';
import { transact } from '../records/transaction.ts';
import { fenceReleases } from '../recovery/release-fence.ts';
import { requireOperation } from '../recovery/require-operation.ts';
import { requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import type { ApiParts } from './api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { checkName, requireVersion, resolve } from './resolve.ts';
import { wantedProtection } from './wanted-protection.ts';

const gone = (id: string): HoldfastError =>
  new HoldfastError('MACHINE_NOT_FOUND', { thing: `machine ${id}`, why: 'it was removed a moment ago', remedy: 'list machines' });

/** What a machine is protected with. */
const protectedWith = async (store: StateStore, { name, protectionId }: MachineRecord): Promise<Wanted> => {
  const protection = (await find(store, protections, protectionId))?.value;
  if (protection === undefined) throw gone(name);
  const { policyId, vault, processServerId: server, excludedDiskIds: excluded, target } = protection;
  const policyName = (await find(store, policies, policyId))?.value.name ?? policyId;
  return { policyId, policyName, vault, server, excluded, target };
};

/** Machines that belong to the installation. */
export const createMachineService = ({ store, agents, alerting, servers, checking }: ApiParts): ServiceImpl<typeof MachineService> => {
  const message = async ({ id, version, value }: Stored<MachineRecord>): Promise<Machine> => {
    const known = agents.get(id);
    const manifest = (await find(store, manifests, id))?.value;
    const { lastProven, last } = (await find(store, machineProofs, id))?.value ?? NO_PROOFS;
    return create(MachineSchema, {
      id,
      version: BigInt(version),
      name: value.name,
      connected: known?.connected ?? false,
      lastSeenUnixMillis: BigInt(known?.lastSeen ?? value.lastSeen),
      agentVersion: value.agentVersion,
      protectionId: value.protectionId,
      health: alerting.healthOf(id),
      ...(manifest === undefined ? {} : { manifest }),
      ...(lastProven === undefined ? {} : { lastProven: proofMessage(lastProven) }),
      ...(last === undefined ? {} : { lastProof: proofMessage(last) }),
      ...(known?.report === undefined ? {} : { report: known.report }),
    });
  };

  return {
    async listMachines({ pageSize: size, pageToken: token }) {
      const page = await listPage(store, machines, pageSize(size), pagePlace(token, ID_PLACE));
      return { machines: await Promise.all(page.rows.map(message)), nextPageToken: pageToken(page.next) };
    },
    async getMachine({ machine }) {
      return { machine: await message(await resolve(store, machines, 'machine', machine)) };
    },
    async checkMachine({ machine: word, wanted: request, last }) {
      const machine = await resolve(store, machines, 'machine', word);
      const isItsOwn = request === undefined && machine.value.protectionId !== '';
      const { wanted } = isItsOwn
        ? { wanted: await protectedWith(store, machine.value) }
        : await wantedProtection(store, servers, { ...(request ?? create(ProtectRequestSchema)), machine: machine.id });
      const checked = await checking.check(machine.id, wanted, { last, counts: isItsOwn });
      return {
        findings: checked.findings.map((one) => create(CheckFindingSchema, one)),
        passed: failures(checked).length === 0,
        unixMillis: BigInt(checked.at),
      };
    },
    async renameMachine({ machine, name, version }, { values }) {
      const { name: actor } = personOf(values);
      checkName(name, 'machine');
      if (isId(name)) throw requestInvalid('machine', 'its name would have the form of an id', 'choose another name');
      const { id } = await resolve(store, machines, 'machine', machine);
      const { revision, result } = await transact(store, async (transaction) => {
        const stored = await transaction.read(machines, id);
        if (stored === undefined) throw gone(id);
        const { name: before, protectionId } = stored.value;
        requireVersion(`machine ${before}`, stored.version, version);
        transaction.delete(names, nameId('machine', before));
        await claimName(transaction, 'machine', name, id);
        const value = { ...stored.value, name };
        transaction.put(machines, id, value);
        const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
        const place = `${protection?.value.processServerId ?? ''}/${id}`;
        const assignment = await transaction.read(assignments, place);
        if (assignment !== undefined) transaction.put(assignments, place, { ...assignment.value, machineName: name });
        transaction.event({
          severity: 'information',
          code: 'machine-renamed',
          text: `${before} is called ${name} from now on`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'RenameMachine', subject: id, detail: `${before} ${name}` });
        return { ...stored, value };
      });
      return { machine: await message({ ...result, version: revision }) };
    },
    async removeMachine({ machine, version, force }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, machines, 'machine', machine);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(machines, id);
        const member = await transaction.read(members, id);
        if (stored === undefined) return;
        const { name, protectionId } = stored.value;
        requireVersion(`machine ${name}`, stored.version, version);
        await requireOperation(transaction, stored, 'remove');
        if (protectionId !== '' && !force)
          throw new HoldfastError('MACHINE_PROTECTED', {
            thing: name,
            why: 'it is protected',
            remedy: 'end its protection first, or force it when it does not come back',
          });
        if (protectionId !== '') await forgetProtection(transaction, { machineId: id, protectionId });
        const open = await openJobOf(store, id, transaction);
        const job = open === undefined ? undefined : await transaction.read(jobs, open.id);
        // What it waits for will never come; it takes back what it began.
        if (job !== undefined && !hasEnded(job.value)) transaction.put(jobs, job.id, { ...job.value, cancelling: true });
        const proof = (await transaction.read(machineProofs, id))?.value.job ?? '';
        const proving = proof === '' ? undefined : await transaction.read(jobs, proof);
        if (proving !== undefined && !hasEnded(proving.value)) transaction.put(jobs, proof, { ...proving.value, cancelling: true });
        for await (const release of listAll(store, fenceReleases))
          if (release.value.machineId === id) transaction.delete(fenceReleases, release.id);
        if (member !== undefined) revokeCertificates(transaction, member);
        for (const kind of [machines, manifests, members, anchors, pointRequests, jobTurns, checkRecords, machineProofs])
          transaction.delete(kind, id);
        transaction.delete(names, nameId('machine', name));
        transaction.event({
          severity: 'information',
          code: 'machine-removed',
          text: `${name} was removed${force ? ', with its protection' : ''}`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'RemoveMachine', subject: id, detail: name });
      });
      agents.forget(id);
      return {};
    },
  };
};
