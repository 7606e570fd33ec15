import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type Server, ServerSchema, type ServerService } from '@holdfast/protocol';
import { revokeCertificates } from '../enrolment/revoke.ts';
import { personOf } from '../listener/caller.ts';
import { find, listAll, listPage, type Stored } from '../records/kind.ts';
import { assignments, machines, members, type ServerRecord, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { roleMessage } from '../role-message.ts';
import type { ApiParts } from './api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from './paging.ts';
import { idOf } from './resolve.ts';

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
      ...(known?.report === undefined ? {} : { report: known.report }),
    });
  };

  return {
    async listServers({ pageSize: size, pageToken: token }) {
      const page = await listPage(store, serverKind, pageSize(size), pagePlace(token, ID_PLACE));
      return { servers: await Promise.all(page.rows.map(message)), nextPageToken: pageToken(page.next) };
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
