import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type Server, ServerSchema, type ServerService } from '@holdfast/protocol';
import { nameId } from '../enrolment/member-name.ts';
import { revokeCertificates } from '../enrolment/revoke.ts';
import { personOf } from '../listener/caller.ts';
import { find, listAll, listPage, type Stored } from '../records/kind.ts';
import { assignments, machines, members, names, protections, type ServerRecord, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { leftOvers } from '../recovery/left-overs.ts';
import { recoveries, wantedRecoveries } from '../recovery/recovery-record.ts';
import { roleMessage } from '../role-message.ts';
import type { ApiParts } from './api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { idOf, requireVersion, resolve } from './resolve.ts';

const missing = (server: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing: `server ${server}`, why: 'it was removed a moment ago', remedy: 'list servers' });

/** Process servers and master targets. */
export const createServerService = ({ store, servers, alerting }: ApiParts): ServiceImpl<typeof ServerService> => {
  const message = async ({ id, version, value }: Stored<ServerRecord>): Promise<Server> => {
    const known = servers.get(id);
    let machinesOf = 0;
    for await (const _ of listAll(store, assignments, `${id}/`)) machinesOf += 1;
    return create(ServerSchema, {
      id,
      version: BigInt(version),
      name: value.name,
      role: roleMessage(value.role),
      connected: known?.connected ?? false,
      lastSeenUnixMillis: BigInt(known?.lastSeen ?? value.lastSeen),
      softwareVersion: value.softwareVersion,
      endpoints: [...value.endpoints],
      vaults: [...value.vaults],
      machines: machinesOf,
      health: alerting.healthOf(id),
      draining: value.draining ?? false,
      ...(known?.report === undefined ? {} : { report: { ...known.report, answers: [] } }),
      fabrics: known?.hello.fabrics ?? [],
    });
  };

  return {
    async listServers({ pageSize: size, pageToken: token }) {
      const page = await listPage(store, serverKind, pageSize(size), pagePlace(token, ID_PLACE));
      return { servers: await Promise.all(page.rows.map(message)), nextPageToken: pageToken(page.next) };
    },
    async drainServer({ server, end }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, serverKind, 'server', server);
      const { revision, result } = await transact(store, async (transaction) => {
        const stored = await transaction.read(serverKind, id);
        if (stored === undefined) throw missing(server);
        const value = { ...stored.value, draining: !end };
        transaction.put(serverKind, id, value);
        transaction.event({
          severity: 'information',
          code: end ? 'server-drain-ended' : 'server-drained',
          text: end ? `${value.name} takes machines again` : `${value.name} takes no machines any more; those it has are moved to others`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'DrainServer', subject: id, detail: end ? 'ended' : '' });
        return { ...stored, value };
      });
      return { server: await message({ ...result, version: revision }) };
    },
    async removeServer({ server, version, force }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, serverKind, 'server', server);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(serverKind, id);
        if (stored === undefined) return;
        const { name } = stored.value;
        requireVersion(`server ${name}`, stored.version, version);
        const left: string[] = [];
        for await (const { id: place, value } of listAll(store, assignments, `${id}/`)) {
          left.push(value.machineName);
          transaction.delete(assignments, place);
          const machine = await transaction.read(machines, place.slice(id.length + 1));
          const protection = machine === undefined ? undefined : await transaction.read(protections, machine.value.protectionId);
          // Whoever looks after machines without a server finds it another one.
          if (protection?.value.processServerId === id)
            transaction.put(protections, protection.id, { ...protection.value, processServerId: '' });
        }
        const carried: string[] = [];
        for await (const { id: place } of listAll(store, wantedRecoveries, `${id}/`)) {
          const recovery = await transaction.read(recoveries, place.slice(id.length + 1));
          if (recovery !== undefined) carried.push(recovery.value.machineName);
        }
        // Nobody can tell it any more: whoever removes it by force answers for what it runs.
        for await (const { id: place, value } of listAll(store, leftOvers, `${id}/`)) {
          carried.push(value.machineName);
          transaction.delete(leftOvers, place);
        }
        if (carried.length > 0 && !force)
          throw new HoldfastError('SERVER_IN_USE', {
            thing: `server ${name}`,
            why: `it runs recovered machines: ${carried.slice(0, 5).join(', ')}${carried.length > 5 ? ` and ${carried.length - 5} more` : ''}`,
            remedy:
              'clean up the tests and cancel the failovers first, or force it when it does not come back: nobody can end what it runs then',
          });
        if (left.length > 0 && !force)
          throw new HoldfastError('SERVER_IN_USE', {
            thing: `server ${name}`,
            why: `it receives ${left.slice(0, 5).join(', ')}${left.length > 5 ? ` and ${left.length - 5} more` : ''}`,
            remedy: 'drain it first with `holdfast server drain`, or force it when it does not come back',
          });
        const member = await transaction.read(members, id);
        if (member !== undefined) revokeCertificates(transaction, member);
        transaction.delete(serverKind, id);
        transaction.delete(members, id);
        transaction.delete(names, nameId('server', name));
        transaction.event({
          severity: force ? 'warning' : 'information',
          code: 'server-removed',
          text: `${name} was removed`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'RemoveServer', subject: id, detail: name });
      });
      servers.forget(id);
      return {};
    },
    async revokeServer({ subject }, { values }) {
      const { name: actor } = personOf(values);
      const id = (await idOf(store, 'server', subject)) ?? (await idOf(store, 'machine', subject));
      await transact(store, async (transaction) => {
        const member = id === undefined ? undefined : await transaction.read(members, id);
        if (member === undefined)
          throw new HoldfastError('RESOURCE_NOT_FOUND', {
            thing: `server or machine ${subject}`,
            why: 'there is none of this name or id',
            remedy: 'list what there is with `holdfast server list` and `holdfast machine list`',
          });
        const { name } = (await find<{ readonly name: string }>(store, member.value.role === 'agent' ? machines : serverKind, member.id))
          ?.value ?? { name: member.id };
        revokeCertificates(transaction, member);
        transaction.put(members, member.id, { ...member.value, certificates: [] });
        transaction.event({
          severity: 'warning',
          code: 'certificate-revoked',
          text: `The certificates of ${name} (${member.value.role}) count no more`,
          subject: member.id,
          actor,
        });
        transaction.audit({ actor, action: 'RevokeServer', subject: member.id, detail: name });
      });
      return {};
    },
  };
};
