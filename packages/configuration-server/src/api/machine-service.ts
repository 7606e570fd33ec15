import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type Machine, MachineSchema, type MachineService } from '@holdfast/protocol';
import { nameId } from '../enrolment/member-name.ts';
import { revokeCertificates } from '../enrolment/revoke.ts';
import { personOf } from '../listener/caller.ts';
import { find, listPage, type Stored } from '../records/kind.ts';
import { anchors, type MachineRecord, machines, manifests, members, names } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { ApiParts } from './api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { requireVersion, resolve } from './resolve.ts';

/** Machines that belong to the installation. */
export const createMachineService = ({ store, agents, alerting }: ApiParts): ServiceImpl<typeof MachineService> => {
  const message = async ({ id, version, value }: Stored<MachineRecord>): Promise<Machine> => {
    const known = agents.get(id);
    const manifest = (await find(store, manifests, id))?.value;
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
    async removeMachine({ machine, version }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, machines, 'machine', machine);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(machines, id);
        const member = await transaction.read(members, id);
        if (stored === undefined) return;
        const { name, protectionId } = stored.value;
        requireVersion(`machine ${name}`, stored.version, version);
        if (protectionId !== '')
          throw new HoldfastError('MACHINE_PROTECTED', { thing: name, why: 'it is protected', remedy: 'end its protection first' });
        if (member !== undefined) revokeCertificates(transaction, member);
        for (const kind of [machines, manifests, members, anchors]) transaction.delete(kind, id);
        transaction.delete(names, nameId('machine', name));
        transaction.event({ severity: 'information', code: 'machine-removed', text: `${name} was removed`, subject: id, actor });
        transaction.audit({ actor, action: 'RemoveMachine', subject: id, detail: name });
      });
      agents.forget(id);
      return {};
    },
  };
};
