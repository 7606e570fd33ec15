import { create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import {
  type ConnectServerResponse,
  ConnectServerResponseSchema,
  idText,
  type Peer,
  type ServerHello,
  type ServerMachineReport,
  type ServerReport,
  type VaultReport,
} from '@holdfast/protocol';
import type { VaultBackups } from '../backup/vault-backups.ts';
import { takeAnswer, wantedCheck } from '../checks/check-record.ts';
import { withShown } from '../enrolment/certificates-of.ts';
import { requireVersion } from '../enrolment/require-version.ts';
import { proofsWanted } from '../proofs/proof-record.ts';
import { boundedTerm } from '../reconcile/bounded-term.ts';
import { readmit } from '../reconcile/readmit.ts';
import type { Reconciliation } from '../reconcile/reconciliation.ts';
import { restoredNow } from '../reconcile/restored.ts';
import { find } from '../records/kind.ts';
import { anchors, assignments, members, type ServerRecord, SITE, servers, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { takeRecoveries } from '../recovery/adopt-recoveries.ts';
import type { Questions } from '../recovery/questions.ts';
import { recoveriesWanted } from '../recovery/recoveries-wanted.ts';
import { releasesWanted } from '../recovery/release-fence.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { openServerVaults, type ServerVaults } from '../vaults/server-vaults.ts';
import { vaults as vaultKind } from '../vaults/vault-record.ts';
import type { ControlParts } from './agent-stream.ts';
import { serverState } from './desired-state.ts';
import { leftOutEvent } from './event-pace.ts';
import { follow, type TrackedReader } from './follow.ts';
import type { Admitted } from './hold-stream.ts';
import type { ServerPresence, Session } from './presence.ts';
import type { StreamEnd } from './stream-end.ts';
import { componentEvents } from './transitions.ts';

export interface ServerParts extends ControlParts {
  readonly presence: ServerPresence;
  readonly reconciliation: Reconciliation;
  readonly vaultBackups: VaultBackups;
  readonly questions: Questions;
  /** The addresses once more, signed, for vaults and agents. */
  readonly whereabouts: () => Promise<Uint8Array<ArrayBuffer>>;
}

const MOST = { endpoints: 8, vaults: 256, machines: 10_000, serials: 100_000, recoveries: 1000 } as const;
const UNKNOWN_HARDWARE = { productUuid: '', productSerial: '', macAddresses: [], machineId: '' };

const lines = (values: readonly string[], thing: string, most: number, longest: number): string[] => {
  if (values.length > most) throw requestInvalid(`${thing}s`, `there are ${values.length}`, `send at most ${most}`);
  return values.map((value) => checkLine(value, thing, longest));
};

/** The server said hello: what it is now is written down. */
const greet = async (store: StateStore, peer: Peer, hello: ServerHello, own: string): Promise<string> => {
  const { identity } = peer;
  const endpoints = lines(hello.endpoints, 'endpoint', MOST.endpoints, 300);
  const vaults = lines(hello.vaults, 'vault', MOST.vaults, 64);
  if (hello.vaultReports.length > MOST.vaults) throw requestInvalid('hello', 'it tells of too many vaults', `send at most ${MOST.vaults}`);
  const softwareVersion = checkLine(hello.version, 'version', 64);
  requireVersion(identity.role, softwareVersion, own);
  const { incarnation } = hello;
  const hostname = endpoints[0] ?? '';
  await readmit(store, { peer, incarnation, hostname, hardware: UNKNOWN_HARDWARE, endpoints, version: softwareVersion });
  const { result } = await transact(store, async (transaction) => {
    const member = await transaction.read(members, identity.id);
    const server = await transaction.read(servers, identity.id);
    if (member === undefined || server === undefined || BigInt(member.value.incarnation) !== hello.incarnation)
      throw new HoldfastError('CERTIFICATE_REVOKED', {
        thing: `identity ${identity.id}`,
        why: member === undefined ? 'it was removed' : 'it enrolled anew',
        remedy: 'enrol this server with a new token if it shall belong to the installation',
      });
    const next: ServerRecord = { ...server.value, endpoints, vaults, softwareVersion };
    if (JSON.stringify(next) !== JSON.stringify(server.value)) transaction.put(servers, identity.id, next);
    const shown = withShown(member.value, peer);
    if (shown !== member.value || JSON.stringify(member.value.endpoints) !== JSON.stringify(endpoints))
      transaction.put(members, identity.id, { ...shown, endpoints });
    transaction.event({
      severity: 'information',
      code: 'server-connected',
      text: `${next.name} is connected, ${next.role} ${softwareVersion}, vaults: ${vaults.join(', ') || 'none'}`,
      subject: identity.id,
      actor: identity.id,
    });
    return next.name;
  });
  return result;
};

const tagText = (tag: Uint8Array): string => Buffer.from(tag.subarray(0, 64)).toString('hex');

/**
 * Keeps the heads of logs as a server tells them, of machines that are assigned to it. Terms are kept at once; how far a log came is
 * telemetry, kept with the next term or when the stream ends. A term too far above what is known is not believed.
 */
const keepAnchors = async (store: StateStore, server: string, reports: readonly ServerMachineReport[]): Promise<void> => {
  for (const { machineId, term, durableSequence, durableTag } of reports) {
    const machine = idText(machineId);
    if (durableSequence > BigInt(Number.MAX_SAFE_INTEGER))
      throw requestInvalid(`report about ${machine}`, 'its numbers are too large', 'report this');
    await transact(store, async (transaction) => {
      const assigned = await transaction.read(assignments, `${server}/${machine}`);
      if (assigned === undefined) return;
      const anchor = (await transaction.read(anchors, machine))?.value ?? { term: 0, durableSequence: 0, durableTag: '' };
      if (boundedTerm(anchor.term, term) === undefined) {
        transaction.event({
          severity: 'critical',
          code: 'term-unbelievable',
          text: `A process server says that ${assigned.value.machineName} has term ${term}, and ${anchor.term} is known: it is not believed. Look whether somebody else has that server's key`,
          subject: machine,
          actor: server,
        });
        return;
      }
      const next = { term: Number(term), durableSequence: Number(durableSequence), durableTag: tagText(durableTag) };
      if (next.term > anchor.term || (next.term === anchor.term && next.durableSequence > anchor.durableSequence))
        transaction.put(anchors, machine, next);
    });
  }
};

/** What one stream has told of terms. */
interface ToldTerms {
  readonly known: Map<string, bigint>;
  /** Machines whose terms were not believed: that is told once. */
  readonly doubted: Set<string>;
}

/** Reports of machines whose term is above the one that is kept. */
const newTerms = async (store: StateStore, { known, doubted }: ToldTerms, report: ServerReport): Promise<ServerMachineReport[]> => {
  const fresh: ServerMachineReport[] = [];
  for (const machine of report.machines) {
    const id = idText(machine.machineId);
    if (machine.machineId.length !== 16) throw requestInvalid('report', 'a machine id has not 16 bytes', 'report this');
    if (!known.has(id)) known.set(id, BigInt((await find(store, anchors, id))?.value.term ?? 0));
    if (machine.term <= known.get(id)!) continue;
    const isBelieved = boundedTerm(Number(known.get(id)!), machine.term) !== undefined;
    if (isBelieved) known.set(id, machine.term);
    else if (doubted.has(id)) continue;
    else doubted.add(id);
    fresh.push(machine);
  }
  return fresh;
};

async function* states(
  { store, notifier, addresses, whereabouts, vaultBackups, questions }: ServerParts,
  id: string,
  session: Session<ServerHello, ServerReport>,
  vaults: Pick<ServerVaults, 'tell'>,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof ConnectServerResponseSchema>> {
  let last: ConnectServerResponse | undefined;
  const wanted = async (reader: TrackedReader) => ({
    ...(await serverState(reader, id)),
    restored: await restoredNow(reader),
    backups: await vaultBackups.wantedOf(reader, id),
    siteId: (await reader.get(sites, SITE))?.value.id ?? '',
    recoveries: await recoveriesWanted(reader, id),
    releases: await releasesWanted(reader, id),
    proofs: await proofsWanted(reader, id),
    questions: questions.of(id),
    whereabouts: await whereabouts(),
    check: await wantedCheck(reader, id),
  });
  const called = <T extends { readonly vault: string }>(all: readonly T[]): T[] =>
    all.map((one) => ({ ...one, vault: vaults.tell(one.vault) }));
  for await (const { revision, value } of follow(store, notifier, wanted, signal, (listener) => questions.subscribe(id, listener))) {
    const state = create(ConnectServerResponseSchema, {
      revision: BigInt(revision),
      addresses: [...addresses()],
      whereabouts: value.whereabouts,
      reconciling: value.restored !== undefined,
      // What was decided since the backup is not known here: nobody is told what the backup wanted.
      assignments: value.restored === undefined ? called(value.assignments) : [],
      revokedSerials: [...value.revokedSerials],
      recoveries: value.restored === undefined ? called(value.recoveries) : [],
      releases: value.restored === undefined ? called(value.releases) : [],
      proofs: value.restored === undefined ? called(value.proofs) : [],
      questions: called(value.questions),
      ...(value.check === undefined ? {} : { checkRequest: value.check }),
      backups: called(value.backups).map((one) => ({ ...one, keep: vaultBackups.keep, siteId: value.siteId })),
    });
    const same = last !== undefined && equals(ConnectServerResponseSchema, { ...last, revision: 0n }, { ...state, revision: 0n });
    if (!same) last = state;
    session.told(revision, Number(last!.revision));
    if (!same) yield state;
  }
}

/** A process server's control stream, from its hello on. */
export const admitServer = async (
  parts: ServerParts,
  peer: Peer,
  hello: ServerHello,
  end: StreamEnd,
): Promise<Admitted<ServerReport, MessageInitShape<typeof ConnectServerResponseSchema>>> => {
  const { store, presence } = parts;
  const { id } = peer.identity;
  const name = await greet(store, peer, hello, parts.version);
  const vaults = await openServerVaults(store, presence, { id, name }, hello);
  const session = presence.open(id, vaults.hello, () =>
    end.end(new HoldfastError('FENCED', { thing: `control stream of ${name}`, why: 'a newer one took over', remedy: 'keep one only' })),
  );
  const terms: ToldTerms = { known: new Map(), doubted: new Set() };
  const takeVaults = async (reports: readonly VaultReport[]): Promise<void> => {
    if (await vaults.take(reports)) session.greeted(vaults.hello);
  };
  // One that is given up, or taken back, or has moved with another server counts otherwise at once.
  const forgetVaults = parts.notifier.subscribe([vaultKind.prefix], () => void takeVaults([]).catch(() => undefined));
  return {
    async report(said) {
      if (said.vaults.length > MOST.vaults) throw requestInvalid('report', 'it tells of too many vaults', `send at most ${MOST.vaults}`);
      await takeVaults(said.vaults);
      const report = vaults.read(said);
      if (report.machines.length > MOST.machines)
        throw requestInvalid('report', `it has ${report.machines.length} machines`, `send at most ${MOST.machines}`);
      const { lines: read, held, heldRevokedSerials } = report;
      if (Math.max(read.length, held.length) > MOST.machines || heldRevokedSerials.length > MOST.serials)
        throw requestInvalid('report', 'it tells of too many machines or certificates', `send at most ${MOST.machines} machines`);
      session.reported(report);
      await takeAnswer(store, id, report.checks);
      await parts.reconciliation.take(id, report);
      await keepAnchors(store, id, await newTerms(store, terms, report));
      await takeRecoveries(store, { server: id, vaults: vaults.hello.vaults }, report.recoveries.slice(0, MOST.recoveries));
      const { told, leftOut } = parts.pace.take(id, componentEvents(name, report.events));
      const news = leftOut === 0 ? told : [...told, leftOutEvent(name, leftOut)];
      if (news.length > 0)
        await transact(store, async (transaction) => {
          for (const event of news) transaction.event({ ...event, subject: id, actor: id });
        });
    },
    states: states(parts, id, session, vaults, end.signal),
    async close() {
      forgetVaults();
      const report = presence.get(id)?.report;
      if (!session.close()) return;
      if (report !== undefined) await keepAnchors(store, id, report.machines);
      await transact(store, async (transaction) => {
        const server = await transaction.read(servers, id);
        if (server === undefined) return;
        transaction.put(servers, id, { ...server.value, lastSeen: Date.now() });
        if (parts.isStopping()) return;
        transaction.event({
          severity: 'warning',
          code: 'server-disconnected',
          text: `${name} is not connected any more`,
          subject: id,
          actor: id,
        });
      });
    },
  };
};
