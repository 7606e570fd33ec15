import { create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import {
  type AgentHello,
  type AgentReport,
  type ConnectAgentResponse,
  ConnectAgentResponseSchema,
  idText,
  type Manifest,
  ManifestSchema,
  type Peer,
} from '@holdfast/protocol';
import { takeAnswer, wantedCheck } from '../checks/check-record.ts';
import { withShown } from '../enrolment/certificates-of.ts';
import { readHardware } from '../enrolment/hardware.ts';
import { requireMember } from '../enrolment/require-member.ts';
import { requireVersion } from '../enrolment/require-version.ts';
import { readmit } from '../reconcile/readmit.ts';
import { restoredNow } from '../reconcile/restored.ts';
import { find } from '../records/kind.ts';
import { type MachineRecord, machines, manifests, members, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { agentState } from './desired-state.ts';
import { type EventPace, leftOutEvent } from './event-pace.ts';
import { follow, type TrackedReader } from './follow.ts';
import type { Admitted } from './hold-stream.ts';
import { type AgentPresence, hasInForce, type Session } from './presence.ts';
import type { StreamEnd } from './stream-end.ts';
import { componentEvents, diskEvents, diskName, stateEvents, stateFrom } from './transitions.ts';

export interface ControlParts {
  readonly store: StateStore;
  readonly notifier: Notifier;
  /** Where members reach this server, "host:port", in the order to try. */
  readonly addresses: () => readonly string[];
  readonly pace: EventPace;
  /** Of this server. */
  readonly version: string;
  /** This server stops in order: that its members are gone is no news then. */
  readonly isStopping: () => boolean;
}

const MOST_DISKS = 256;

const checkManifest = (manifest: Manifest): void => {
  const { disks } = manifest;
  if (disks.length > MOST_DISKS) throw requestInvalid('manifest', `it has ${disks.length} disks`, `send at most ${MOST_DISKS}`);
  for (const { id, name } of disks) {
    if (id.length !== 16)
      throw requestInvalid(`disk ${checkLine(name, 'disk', 200)}`, 'its id has not 16 bytes', 'send the id of the disk');
  }
};

/** Of one manifest the disks that another does not have. */
const lacking = (has: Manifest, lacks: Manifest): Manifest['disks'] =>
  has.disks.filter(({ id }) => !lacks.disks.some((other) => idText(other.id) === idText(id)));

/**
 * Disks of a protected machine that it does not have any more. They stay wanted, so that there are no points without them, until somebody
 * says that they are left out: a disk that failed must not be gone from the points silently. Not those of an agent that was installed anew and
 * gave all disks other ids.
 */
const keptDisks = (before: Manifest | undefined, now: Manifest | undefined, excluded: readonly string[]): Manifest['disks'] =>
  before === undefined || now === undefined || lacking(now, before).length === now.disks.length
    ? []
    : lacking(before, now)
        .filter(({ id }) => !excluded.includes(idText(id)))
        .slice(0, MOST_DISKS - now.disks.length);

/** What is to be told of disks that came since the hello before. */
const cameText = (before: Manifest | undefined, now: Manifest | undefined): string[] =>
  before === undefined || now === undefined ? [] : lacking(now, before).map(({ id }) => `it has a new disk, ${diskName(id, now)}`);

/** The machine said hello: it is the one that enrolled, and what it is now is written down. */
const greet = async (store: StateStore, peer: Peer, hello: AgentHello, own: string): Promise<string> => {
  const { identity } = peer;
  const hardware = readHardware(hello.hardware);
  const version = checkLine(hello.version, 'version', 64);
  requireVersion('agent', version, own);
  if (hello.manifest !== undefined) checkManifest(hello.manifest);
  const hostname = checkLine(hello.hostname, 'host name', 253);
  await readmit(store, { peer, incarnation: hello.incarnation, hostname, hardware, endpoints: [], version });
  const { result } = await transact(store, async (transaction) => {
    const member = await requireMember(transaction, identity.id, hardware, hello.incarnation);
    if ('clone' in member) return member;
    const machine = await transaction.read(machines, identity.id);
    if (machine === undefined)
      throw new HoldfastError('MACHINE_NOT_FOUND', { thing: identity.id, why: 'it was removed', remedy: 'enrol it with a new token' });
    const known = await transaction.read(manifests, identity.id);
    const { protectionId } = machine.value;
    const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
    const kept = protection === undefined ? [] : keptDisks(known?.value, hello.manifest, protection.value.excludedDiskIds);
    const manifest = hello.manifest && { ...hello.manifest, disks: [...hello.manifest.disks, ...kept] };
    const shown = withShown(member.value, peer);
    if (shown !== member.value || JSON.stringify(member.value.hardware) !== JSON.stringify(hardware))
      transaction.put(members, identity.id, { ...shown, hardware });
    if (machine.value.agentVersion !== version) transaction.put(machines, identity.id, { ...machine.value, agentVersion: version });
    if (manifest !== undefined && (known === undefined || !equals(ManifestSchema, known.value, manifest)))
      transaction.put(manifests, identity.id, manifest);
    const { name } = machine.value;
    for (const text of cameText(known?.value, hello.manifest))
      transaction.event({ severity: 'information', code: 'disk-came', text: `${name}: ${text}`, subject: identity.id, actor: identity.id });
    transaction.event({
      severity: 'information',
      code: 'machine-connected',
      text: `${name} is connected, agent ${version}`,
      subject: identity.id,
      actor: identity.id,
    });
    return { name };
  });
  if ('clone' in result) throw result.clone;
  return result.name;
};

/** Brings the stored state of a protection in line with a report, and tells what is new. */
const take = async (
  { store, pace }: Pick<ControlParts, 'store' | 'pace'>,
  id: string,
  { name, protectionId }: MachineRecord,
  report: AgentReport,
  before: AgentReport | undefined,
  inForce: boolean,
): Promise<void> => {
  const manifest = (await find(store, manifests, id))?.value;
  const { told, leftOut } = pace.take(id, [...diskEvents(name, before, report, manifest), ...componentEvents(name, report.events)]);
  const news = leftOut === 0 ? told : [...told, leftOutEvent(name, leftOut)];
  const current = protectionId === '' || !inForce ? undefined : await find(store, protections, protectionId);
  const next = current === undefined ? undefined : stateFrom(current.value.state, report, manifest);
  const moved = next !== undefined && (next.state !== current!.value.state || next.detail !== current!.value.stateDetail);
  if (!moved && news.length === 0) return;
  await transact(store, async (transaction) => {
    const tell = (events: readonly (typeof news)[number][]): void => {
      for (const event of events) transaction.event({ ...event, subject: id, actor: id });
    };
    tell(news);
    const protection = moved ? await transaction.read(protections, protectionId) : undefined;
    if (protection === undefined) return;
    const { state, stateDetail } = protection.value;
    const to = stateFrom(state, report, manifest);
    tell(stateEvents(name, { state, detail: stateDetail }, to));
    transaction.put(protections, protectionId, { ...protection.value, state: to.state, stateDetail: to.detail });
  });
};

async function* states(
  { store, notifier, addresses }: ControlParts,
  id: string,
  session: Session<AgentHello, AgentReport>,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof ConnectAgentResponseSchema>> {
  let last: ConnectAgentResponse | undefined;
  const wanted = async (reader: TrackedReader) => ({
    restored: await restoredNow(reader),
    protection: await agentState(reader, id),
    check: await wantedCheck(reader, id),
  });
  for await (const { revision, value } of follow(store, notifier, wanted, signal)) {
    const { restored, protection, check } = value;
    const state = create(ConnectAgentResponseSchema, {
      revision: BigInt(revision),
      addresses: [...addresses()],
      reconciling: restored !== undefined,
      ...(protection === undefined || restored !== undefined ? {} : { protection }),
      ...(check === undefined ? {} : { checkRequest: check }),
    });
    const same = last !== undefined && equals(ConnectAgentResponseSchema, { ...last, revision: 0n }, { ...state, revision: 0n });
    if (!same) last = state;
    session.told(revision, Number(last!.revision));
    if (!same) yield state;
  }
}

/** A machine's control stream, from its hello on. */
export const admitAgent = async (
  parts: ControlParts & { readonly presence: AgentPresence },
  peer: Peer,
  hello: AgentHello,
  end: StreamEnd,
): Promise<Admitted<AgentReport, MessageInitShape<typeof ConnectAgentResponseSchema>>> => {
  const { store, presence } = parts;
  const { id } = peer.identity;
  const name = await greet(store, peer, hello, parts.version);
  // It is written down now, and large: nobody needs it for as long as the machine is connected.
  delete hello.manifest;
  const session = presence.open(id, hello, () =>
    end.end(new HoldfastError('FENCED', { thing: `control stream of ${name}`, why: 'a newer one took over', remedy: 'keep one only' })),
  );
  return {
    async report(report) {
      const before = presence.get(id)?.report;
      session.reported(report);
      await takeAnswer(store, id, report.checks);
      if (report.disks.length > MOST_DISKS)
        throw requestInvalid('report', `it has ${report.disks.length} disks`, `send at most ${MOST_DISKS}`);
      const known = presence.get(id);
      const machine = await find(store, machines, id);
      if (machine === undefined) return;
      await take(parts, id, machine.value, report, before, known !== undefined && hasInForce(known, machine.version));
    },
    states: states(parts, id, session, end.signal),
    async close() {
      if (!session.close()) return;
      await transact(store, async (transaction) => {
        const machine = await transaction.read(machines, id);
        if (machine === undefined) return;
        transaction.put(machines, id, { ...machine.value, lastSeen: Date.now() });
        if (parts.isStopping()) return;
        transaction.event({
          severity: machine.value.protectionId === '' ? 'information' : 'warning',
          code: 'machine-disconnected',
          text: `${machine.value.name} is not connected any more`,
          subject: id,
          actor: id,
        });
      });
    },
  };
};
