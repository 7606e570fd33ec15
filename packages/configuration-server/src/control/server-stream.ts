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
} from '@holdfast/protocol';
import { find } from '../records/kind.ts';
import { anchors, assignments, members, type ServerRecord, servers } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import type { ControlParts } from './agent-stream.ts';
import { serverState } from './desired-state.ts';
import { follow } from './follow.ts';
import type { Admitted } from './hold-stream.ts';
import type { ServerPresence, Session } from './presence.ts';
import type { StreamEnd } from './stream-end.ts';
import { componentEvents } from './transitions.ts';

const MOST = { endpoints: 8, vaults: 256, machines: 10_000 } as const;

const lines = (values: readonly string[], thing: string, most: number, longest: number): string[] => {
  if (values.length > most) throw requestInvalid(`${thing}s`, `there are ${values.length}`, `send at most ${most}`);
  return values.map((value) => checkLine(value, thing, longest));
};

/** The server said hello: what it is now is written down. */
const greet = async (store: StateStore, { identity }: Peer, hello: ServerHello): Promise<string> => {
  const endpoints = lines(hello.endpoints, 'endpoint', MOST.endpoints, 300);
  const vaults = lines(hello.vaults, 'vault', MOST.vaults, 64);
  const softwareVersion = checkLine(hello.version, 'version', 64);
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
    if (JSON.stringify(member.value.endpoints) !== JSON.stringify(endpoints))
      transaction.put(members, identity.id, { ...member.value, endpoints });
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
 * telemetry, kept with the next term or when the stream ends.
 */
const keepAnchors = async (store: StateStore, server: string, reports: readonly ServerMachineReport[]): Promise<void> => {
  for (const { machineId, term, durableSequence, durableTag } of reports) {
    const machine = idText(machineId);
    if (term > BigInt(Number.MAX_SAFE_INTEGER) || durableSequence > BigInt(Number.MAX_SAFE_INTEGER))
      throw requestInvalid(`report about ${machine}`, 'its numbers are too large', 'report this');
    await transact(store, async (transaction) => {
      if ((await transaction.read(assignments, `${server}/${machine}`)) === undefined) return;
      const anchor = (await transaction.read(anchors, machine))?.value ?? { term: 0, durableSequence: 0, durableTag: '' };
      const next = { term: Number(term), durableSequence: Number(durableSequence), durableTag: tagText(durableTag) };
      if (next.term > anchor.term || (next.term === anchor.term && next.durableSequence > anchor.durableSequence))
        transaction.put(anchors, machine, next);
    });
  }
};

/** Reports of machines whose term is above the one that is kept. */
const newTerms = async (store: StateStore, known: Map<string, bigint>, report: ServerReport): Promise<ServerMachineReport[]> => {
  const fresh: ServerMachineReport[] = [];
  for (const machine of report.machines) {
    const id = idText(machine.machineId);
    if (machine.machineId.length !== 16) throw requestInvalid('report', 'a machine id has not 16 bytes', 'report this');
    if (!known.has(id)) known.set(id, BigInt((await find(store, anchors, id))?.value.term ?? 0));
    if (machine.term <= known.get(id)!) continue;
    known.set(id, machine.term);
    fresh.push(machine);
  }
  return fresh;
};

async function* states(
  { store, notifier }: ControlParts,
  id: string,
  session: Session<ServerReport>,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof ConnectServerResponseSchema>> {
  let last: ConnectServerResponse | undefined;
  for await (const { revision, value } of follow(store, notifier, (reader) => serverState(reader, id), signal)) {
    const state = create(ConnectServerResponseSchema, {
      revision: BigInt(revision),
      assignments: [...value.assignments],
      revokedSerials: [...value.revokedSerials],
    });
    const same = last !== undefined && equals(ConnectServerResponseSchema, { ...last, revision: 0n }, { ...state, revision: 0n });
    if (!same) last = state;
    session.told(revision, Number(last!.revision));
    if (!same) yield state;
  }
}

/** A process server's control stream, from its hello on. */
export const admitServer = async (
  parts: ControlParts & { readonly presence: ServerPresence },
  peer: Peer,
  hello: ServerHello,
  end: StreamEnd,
): Promise<Admitted<ServerReport, MessageInitShape<typeof ConnectServerResponseSchema>>> => {
  const { store, presence } = parts;
  const { id } = peer.identity;
  const name = await greet(store, peer, hello);
  const session = presence.open(id, hello, () =>
    end.end(new HoldfastError('FENCED', { thing: `control stream of ${name}`, why: 'a newer one took over', remedy: 'keep one only' })),
  );
  const terms = new Map<string, bigint>();
  return {
    async report(report) {
      if (report.machines.length > MOST.machines)
        throw requestInvalid('report', `it has ${report.machines.length} machines`, `send at most ${MOST.machines}`);
      session.reported(report);
      await keepAnchors(store, id, await newTerms(store, terms, report));
      const news = componentEvents(name, report.events);
      if (news.length > 0)
        await transact(store, async (transaction) => {
          for (const event of news) transaction.event({ ...event, subject: id, actor: id });
        });
    },
    states: states(parts, id, session, end.signal),
    async close() {
      const report = presence.get(id)?.report;
      if (!session.close()) return;
      if (report !== undefined) await keepAnchors(store, id, report.machines);
      await transact(store, async (transaction) => {
        const server = await transaction.read(servers, id);
        if (server === undefined) return;
        transaction.put(servers, id, { ...server.value, lastSeen: Date.now() });
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
