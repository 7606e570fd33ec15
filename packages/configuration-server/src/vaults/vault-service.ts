import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { idText, isId, type Vault, VaultReportSchema, VaultSchema, type VaultServer, type VaultService } from '@holdfast/protocol';
import type { ApiParts } from '../api/api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { checkName, requireVersion, resolve } from '../api/resolve.ts';
import { claimName, nameId } from '../enrolment/member-name.ts';
import { personOf } from '../listener/caller.ts';
import { listAll, listPage, type Stored } from '../records/kind.ts';
import { names, type ServerRecord, servers as serverKind } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { requestInvalid } from '../request-invalid.ts';
import { endForcedProtections } from './decommission.ts';
import { type VaultRecord, vaults } from './vault-record.ts';
import { createProtectedCounts, protectedInto, requireUnused, usesOf } from './vault-use.ts';

/** Machines told of with one vault. */
const MOST_MACHINES = 500;

const gone = (vault: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing: `vault ${vault}`, why: 'there is none of this name or id', remedy: 'list vaults' });

/** The vaults of the site. */
export const createVaultService = ({ store, notifier, servers, alerting, vaultBackups }: ApiParts): ServiceImpl<typeof VaultService> => {
  const countProtected = createProtectedCounts(store, notifier);
  const allServers = async (): Promise<readonly Stored<ServerRecord>[]> => {
    const all: Stored<ServerRecord>[] = [];
    for await (const server of listAll(store, serverKind)) all.push(server);
    return all;
  };

  const serversOf = ({ id, value: { place } }: Stored<VaultRecord>, all: readonly Stored<ServerRecord>[]): VaultServer[] =>
    all.flatMap(({ id: serverId, value }): VaultServer[] => {
      const served = value.served?.find((one) => one.id === id);
      const known = servers.get(serverId);
      const common = {
        $typeName: 'holdfast.v1.VaultServer',
        serverId,
        serverName: value.name,
        connected: known?.connected ?? false,
      } as const;
      // One of an earlier version tells its name alone.
      if (served === undefined)
        return known?.connected === true && known.hello.vaults.includes(id) ? [{ ...common, elsewhere: false }] : [];
      const { name, location } = served;
      const said = known?.report?.vaults.find((one) => one.name === name) ?? known?.hello.vaultReports.find((one) => one.name === name);
      return [
        {
          ...common,
          report:
            said ?? create(VaultReportSchema, { name, location, place: served.place, vaultId: Uint8Array.from(Buffer.from(id, 'hex')) }),
          elsewhere: served.place !== '' && place !== '' && served.place !== place,
        },
      ];
    });

  /** Newest durable points of machines, as process servers tell them. */
  const newestPoints = (): ReadonlyMap<string, bigint> => {
    const newest = new Map<string, bigint>();
    for (const id of servers.connected())
      for (const { machineId, newestPointUnixMillis } of servers.get(id)?.report?.machines ?? [])
        newest.set(idText(machineId), newestPointUnixMillis);
    return newest;
  };

  const message = (vault: Stored<VaultRecord>, all: readonly Stored<ServerRecord>[], machines: number): Vault => {
    const { id, version, value } = vault;
    const serving = serversOf(vault, all);
    const reports = serving.filter(({ connected }) => connected).flatMap(({ report }) => (report === undefined ? [] : [report]));
    const backups = vaultBackups.kept().filter((backup) => backup.vault === id);
    const newest = (times: readonly bigint[]): bigint => BigInt(Math.max(0, ...times.map(Number)));
    return create(VaultSchema, {
      id,
      version: BigInt(version),
      name: value.name,
      location: value.location,
      registeredUnixMillis: BigInt(value.registered),
      decommissionedUnixMillis: BigInt(value.decommissioned?.at ?? 0),
      decommissionedBy: value.decommissioned?.by ?? '',
      servers: serving,
      machines,
      health: alerting.healthOf(id),
      problems: alerting
        .current()
        .filter((alert) => alert.value.subject === id)
        .map((alert) => alerting.textOf(alert)),
      newestPointUnixMillis: newest(reports.map(({ newestPointUnixMillis }) => newestPointUnixMillis)),
      pendingBytes: reports.reduce((sum, { pendingBytes }) => sum + pendingBytes, 0n),
      newestBackupUnixMillis: newest(backups.map(({ unixMillis }) => unixMillis)),
    });
  };

  const whole = async (wanted: string): Promise<Vault> => {
    const vault = await resolve(store, vaults, 'vault', wanted);
    const bound = await protectedInto(store, vault.id);
    const points = newestPoints();
    return {
      ...message(vault, await allServers(), bound.length),
      machinesWithin: bound.slice(0, MOST_MACHINES).map(({ name, protection: { value } }) => ({
        $typeName: 'holdfast.v1.VaultMachine',
        machineId: value.machineId,
        machineName: name,
        processServerId: value.processServerId,
        state: value.state,
        newestPointUnixMillis: points.get(value.machineId) ?? 0n,
      })),
      usedBy: [...(await usesOf(store, vault.id))],
    };
  };

  return {
    async listVaults({ pageSize: size, pageToken: token }) {
      const page = await listPage(store, vaults, pageSize(size), pagePlace(token, ID_PLACE));
      const [all, counts] = [await allServers(), await countProtected()];
      return { vaults: page.rows.map((one) => message(one, all, counts.get(one.id) ?? 0)), nextPageToken: pageToken(page.next) };
    },
    getVault: async ({ vault }) => ({ vault: await whole(vault) }),
    async renameVault({ vault, name, version }, { values }) {
      const { name: actor } = personOf(values);
      checkName(name, 'vault');
      if (isId(name)) throw requestInvalid('vault', 'its name would have the form of an id', 'choose another name');
      const { id } = await resolve(store, vaults, 'vault', vault);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(vaults, id);
        if (stored === undefined) throw gone(vault);
        const { name: before } = stored.value;
        requireVersion(`vault ${before}`, stored.version, version);
        transaction.delete(names, nameId('vault', before));
        await claimName(transaction, 'vault', name, id);
        transaction.put(vaults, id, { ...stored.value, name });
        transaction.event({
          severity: 'information',
          code: 'vault-renamed',
          text: `Vault ${before} is called ${name} from now on; settings of process servers may go on calling it otherwise`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'RenameVault', subject: id, detail: `${before} ${name}` });
      });
      return { vault: await whole(id) };
    },
    async decommissionVault({ vault, version, force }, { values }) {
      const { name: actor } = personOf(values);
      const { id, value } = await resolve(store, vaults, 'vault', vault);
      const about = { id, name: value.name };
      if (value.decommissioned === undefined) await requireUnused(store, servers, about, force);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(vaults, id);
        if (stored === undefined) throw gone(vault);
        requireVersion(`vault ${value.name}`, stored.version, version);
        if (stored.value.decommissioned !== undefined) return;
        transaction.put(vaults, id, { ...stored.value, decommissioned: { at: Date.now(), by: actor, forced: force } });
        transaction.event({
          severity: force ? 'warning' : 'information',
          code: 'vault-decommissioned',
          text: `Vault ${value.name} (${id}) was given up${force ? ' by force' : ''}; its objects at ${value.location || 'its place'} stay as they are`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'DecommissionVault', subject: id, detail: `${value.name}${force ? ' by force' : ''}` });
      });
      if (force) return { unprotected: [...(await endForcedProtections(store))], vault: await whole(id) };
      // Somebody may have protected a machine into it at this very moment.
      const late = await protectedInto(store, id);
      if (late.length > 0) {
        await transact(store, async (transaction) => {
          const stored = await transaction.read(vaults, id);
          if (stored === undefined) return;
          const { decommissioned: _, ...inUse } = stored.value;
          transaction.put(vaults, id, inUse);
        });
        await requireUnused(store, servers, about, false);
      }
      return { unprotected: [], vault: await whole(id) };
    },
    async readmitVault({ vault, version }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, vaults, 'vault', vault);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(vaults, id);
        if (stored === undefined) throw gone(vault);
        const { decommissioned, ...inUse } = stored.value;
        requireVersion(`vault ${inUse.name}`, stored.version, version);
        if (decommissioned === undefined) return;
        transaction.put(vaults, id, inUse);
        const text = `Vault ${inUse.name} (${id}), which ${decommissioned.by} had given up, is used again`;
        transaction.event({ severity: 'information', code: 'vault-readmitted', text, subject: id, actor });
        transaction.audit({ actor, action: 'ReadmitVault', subject: id, detail: inUse.name });
      });
      return { vault: await whole(id) };
    },
  };
};
