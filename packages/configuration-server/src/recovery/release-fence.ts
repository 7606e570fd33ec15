import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, idText, type WantedRelease, WantedReleaseSchema } from '@holdfast/protocol';
import type { TrackedReader } from '../control/follow.ts';
import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import type { JobStep } from '../jobs/job-plan.ts';
import type { JobRecord } from '../jobs/job-record.ts';
import { everySecond, serverName } from '../jobs/steps.ts';
import { until } from '../jobs/until.ts';
import { find, type Kind, listAll, plainKind, type Stored } from '../records/kind.ts';
import { anchors } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { isForGood, type RecoveryRecord, recoveries, recoveriesOf } from './recovery-record.ts';
import { pointWords } from './steps.ts';

/** The order to release the fence of a committed failover; its id is that of the failover. */
interface FenceRelease {
  /** The process server that does it. */
  readonly serverId: string;
  readonly machineId: string;
  readonly vault: string;
}

export const fenceReleases: Kind<FenceRelease> = plainKind('fence-release', 1);

/** What a process server shall release. */
export const releasesWanted = async (read: TrackedReader, serverId: string): Promise<readonly WantedRelease[]> => {
  const own = (await read.list(fenceReleases, '')).filter(({ value }) => value.serverId === serverId);
  return Promise.all(
    own.map(async ({ id, value: { machineId, vault } }) => {
      const anchor = await read.get(anchors, machineId);
      const seenTerm = BigInt(anchor?.value.term ?? 0);
      return create(WantedReleaseSchema, { operationId: idBytes(id), machineId: idBytes(machineId), vault, seenTerm });
    }),
  );
};

/** The failover that was committed and fences the line of a machine in a vault for good; undefined when none does. */
export const committedFailover = async (
  store: StateStore,
  machineId: string,
  vault: string,
): Promise<Stored<RecoveryRecord> | undefined> => {
  // The newest come first, and of those that were committed only the last one fences.
  for await (const { id } of listAll(store, recoveriesOf, `${machineId}/`)) {
    const recovery = await find(store, recoveries, id.slice(machineId.length + 1));
    if (recovery === undefined || !isForGood(recovery.value) || recovery.value.vault !== vault) continue;
    return recovery.value.fenceReleased === undefined ? recovery : undefined;
  }
  return undefined;
};

/** "it was failed over for good on … to point …". */
export const committedWords = ({ ended, point }: RecoveryRecord): string =>
  `it was failed over for good on ${new Date(ended).toISOString()}${point === undefined ? '' : ` to point ${pointWords(point)}`}, and its line in this vault is fenced: protecting it makes it the source again`;

/** Throws OPERATION_REFUSED unless somebody said that the machine shall be the source again. */
export const requireSourceAgain = (name: string, { value }: Stored<RecoveryRecord>, sourceAgain: boolean): void => {
  if (sourceAgain) return;
  throw new HoldfastError('OPERATION_REFUSED', {
    thing: `protect of machine ${name}`,
    why: committedWords(value),
    remedy: 'say `--source-again` if the machine that was failed over to is not needed any more; else protect into another vault',
  });
};

/** The failover whose fence a job releases; empty: none. */
const operationOf = ({ input }: Pick<JobRecord, 'input'>): string => input?.['releases'] ?? '';

/** What of a release a job leaves behind that does not come to its end. */
export const forgetRelease = (transaction: Transaction, job: Pick<JobRecord, 'input'>): void => {
  if (operationOf(job) !== '') transaction.delete(fenceReleases, operationOf(job));
};

/** Has a process server release the fence, so that the source can append again. */
export const releaseFenceStep = (store: StateStore, servers: ServerPresence): JobStep => {
  /** Somebody who holds the vault now is told to; another one when that goes away. */
  const orderOf = async (operation: string): Promise<string | undefined> => {
    const recovery = await find(store, recoveries, operation);
    if (recovery === undefined)
      throw new HoldfastError('RESOURCE_NOT_FOUND', { thing: operation, why: 'it is gone', remedy: 'protect again' });
    const { machineId, vault } = recovery.value;
    const holders = serversWith(servers, vault);
    const { result } = await transact(store, async (transaction) => {
      const order = await transaction.read(fenceReleases, operation);
      if (order !== undefined && holders.includes(order.value.serverId)) return order.value.serverId;
      const serverId = holders.find((id) => id === recovery.value.serverId) ?? holders[0];
      if (serverId !== undefined) transaction.put(fenceReleases, operation, { serverId, machineId, vault });
      return serverId;
    });
    return result;
  };
  return {
    name: 'make it the source again',
    async wait(job, { signal, progress }) {
      const operation = operationOf(job);
      const look = async (): Promise<true | undefined> => {
        const server = await orderOf(operation);
        const report =
          server === undefined
            ? undefined
            : servers.get(server)?.report?.releases.find(({ operationId }) => idText(operationId) === operation);
        if (report?.released === true) return true;
        const trouble = report !== undefined && report.problem !== '' ? `; tried again: ${report.problem.slice(0, 500)}` : '';
        const who =
          server === undefined
            ? 'waiting for a process server that holds its vault'
            : `${await serverName(store, server)} releases the fence`;
        progress({ detail: `${who}${trouble}`, fraction: -1 });
        return undefined;
      };
      const vault = (await find(store, recoveries, operation))?.value.vault ?? '';
      const told = serversWith(servers, vault).map((id) => (listener: () => void) => servers.subscribe(id, listener));
      await until(look, [everySecond, ...told], signal);
    },
    async apply(transaction, job) {
      const operation = operationOf(job);
      const recovery = await transaction.read(recoveries, operation);
      transaction.delete(fenceReleases, operation);
      if (recovery === undefined) return 'the failover is not known any more';
      const { machineName, machineId, vault } = recovery.value;
      transaction.put(recoveries, operation, { ...recovery.value, fenceReleased: Date.now() });
      const text = `${machineName} is the source again: the fence of its committed failover ${operation.slice(0, 8)} in vault ${await vaultName(store, vault)} is released`;
      transaction.event({ severity: 'warning', code: 'fence-released', text, subject: machineId, actor: job.startedBy });
      transaction.audit({ actor: job.startedBy, action: 'ReleaseFence', subject: machineId, detail: `${machineName} ${operation}` });
      return 'its line in the vault is open again; what was failed over runs on';
    },
  };
};
