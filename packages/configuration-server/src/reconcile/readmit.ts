import type { HardwareIdentity } from '@holdfast/daemon';
import type { Peer } from '@holdfast/protocol';
import { plainName, takeName } from '../enrolment/member-name.ts';
import { machines, members, servers } from '../records/kinds.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { restoredIn, restoredOf } from './restored.ts';

const ACTOR = 'reconciliation';

interface Newcomer {
  readonly peer: Peer;
  readonly incarnation: bigint;
  readonly hostname: string;
  readonly hardware: HardwareIdentity;
  readonly endpoints: readonly string[];
  readonly version: string;
}

/**
 * A member that joined, or joined anew, after the backup this server was restored from: its certificate is one of our authority and nobody has
 * revoked it, so it belongs here. Whoever was removed before the backup is not taken for one: those certificates are revoked. Does nothing for
 * members that are known, and once the restore is reconciled.
 */
export const readmit = async (store: StateStore, newcomer: Newcomer): Promise<void> => {
  if ((await restoredOf(store)) !== undefined) await transact(store, (transaction) => admit(transaction, newcomer));
};

const admit = async (transaction: Transaction, { peer, incarnation, hostname, hardware, endpoints, version }: Newcomer): Promise<void> => {
  const { id, role } = peer.identity;
  if (role === 'configuration-server') return;
  const known = await transaction.read(members, id);
  const isNewer = known === undefined || incarnation > BigInt(known.value.incarnation);
  if (!isNewer || incarnation > BigInt(Number.MAX_SAFE_INTEGER) || (await restoredIn(transaction)) === undefined) return;
  const certificates = [{ serial: peer.serial, notAfter: peer.notAfter }];
  const fresh = { role, hardware, endpoints, incarnation: Number(incarnation), certificates };
  // A process server does not say what machine it runs on: what is known of it stays.
  transaction.put(members, id, known === undefined ? fresh : { ...fresh, hardware: known.value.hardware });
  const [kind, space] = role === 'agent' ? ([machines, 'machine'] as const) : ([servers, 'server'] as const);
  const there = await transaction.read<{ readonly name: string }>(kind, id);
  const name = there?.value.name ?? (await takeName(transaction, space, plainName(hostname, space), id));
  if (there === undefined && role === 'agent')
    transaction.put(machines, id, { name, agentVersion: version, lastSeen: 0, protectionId: '' });
  else if (there === undefined) transaction.put(servers, id, { name, role, softwareVersion: version, lastSeen: 0, endpoints, vaults: [] });
  transaction.event({
    severity: 'warning',
    code: 'member-readmitted',
    text: `${name} joined as ${role} after the backup that this server was restored from, and is known again`,
    subject: id,
    actor: ACTOR,
  });
};
