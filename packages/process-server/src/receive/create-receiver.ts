// Longer than others: all that is said on a stream, in its order.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import {
  type Cut,
  type CutBegin,
  type CutEnd,
  type DigestQuery,
  idBytes,
  idText,
  type Open,
  type ReplicateRequest,
  ReplicateResponseSchema,
  type ReplicationCall,
} from '@holdfast/protocol';
import type { MachineDigests } from '../digests/machine-digests.ts';
import type { JournaledCut, OpenCut } from '../journal/journal.ts';
import { isIdle } from '../upload/is-idle.ts';
import type { EpochPosition, Fence, Standing, Uploader } from '../upload/uploader.ts';
import { createAcceptedEpochs } from './accepted-epochs.ts';
import type { Unfit } from './check-cut.ts';
import { violation } from './check-frames.ts';
import { checkOpen } from './check-open.ts';
import type { CreditPool, CreditShare } from './credit-pool.ts';
import { type CutIntake, createCutIntake, type Ending } from './cut-intake.ts';
import type { CutTurns } from './cut-turns.ts';
import { anchorMessage, createDurableNotices } from './durable-notices.ts';
import type { MachineReceiver } from './machine-receiver.ts';
import { createReceipts, type Receipts } from './receipts.ts';
import { lost, notOpened, replaced } from './stream-errors.ts';

/** The version of the replication protocol spoken here. */
const PROTOCOL_VERSION = 4;
/** Cuts without frames come whole in one message from here on, and those that are durable are told together. */
const BRIEF_SINCE = 3;
/** Receipts of cuts in which nothing has changed are gathered from here on. */
const GATHERED_SINCE = 4;
/** Queries for digests that may be open at a time. */
const MOST_QUERIES = 16;
/** Milliseconds an agent has to say Open. */
const OPENING = 10_000;
/** Milliseconds an agent waits for the machine's log to be opened. */
const PATIENCE = 60_000;

export interface ReceiverOptions {
  readonly machineId: string;
  readonly version: string;
  readonly uploader: Uploader;
  readonly pool: CreditPool;
  readonly digests: Pick<MachineDigests, 'answer'>;
  /** The beginning of a cut from before this start. */
  readonly partial: OpenCut | undefined;
  begin(begin: CutBegin): OpenCut;
  commit(cut: Cut): Promise<JournaledCut>;
  readonly turns: CutTurns;
  /** Milliseconds for which receipts may be gathered. */
  receiptGap(): number;
  /** Bytes of frames that the journal takes of one cut. */
  capacity(): number;
  /** Bytes a second this stream should stay below now, with the reason; undefined when there is no limit. */
  pace(): Pace | undefined;
  onReceived(bytes: number): void;
}

export interface Pace {
  readonly bytesPerSecond: number;
  readonly reason: string;
}

type Response = NonNullable<MessageInitShape<typeof ReplicateResponseSchema>['message']>;

/** One stream, once it is open. */
interface Session {
  readonly call: ReplicationCall;
  readonly intake: CutIntake;
  readonly share: CreditShare;
  readonly receipts: Receipts;
  /** Cuts that came whole and are on their way to the disk. */
  readonly finishing: Set<Promise<void>>;
  /** Of the newest of them, when it was handed on: of two that reach the disk together the later one may be heard of first. */
  handedOn: Promise<void>;
  /** The version of the protocol that was agreed on. */
  readonly version: number;
  /** Ends the turn of the cut that is being received. */
  leave: () => void;
  queries: number;
  paced: number;
}

const epochRef = ({ generationId, number }: EpochPosition) => ({ generationId: idBytes(generationId), number: BigInt(number) });

class StreamReceiver implements MachineReceiver {
  readonly machineId: string;
  readonly #options: ReceiverOptions;
  #partial: OpenCut | undefined;
  #call: ReplicationCall | undefined;
  /** Ends when the stream before is done with everything it touches. */
  #turn: Promise<void> = Promise.resolve();
  #closed: HoldfastError | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.machineId = options.machineId;
    this.#partial = options.partial;
  }

  get connected(): boolean {
    return this.#call !== undefined;
  }

  async serve(call: ReplicationCall): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    this.disconnect(replaced(this.machineId));
    this.#call = call;
    const served = this.#turn.then(() => this.#serve(call));
    this.#turn = served
      .catch(() => undefined)
      .then(() => {
        if (this.#call === call) this.#call = undefined;
      });
    return served;
  }

  disconnect(error: HoldfastError): void {
    this.#call?.abort(error);
  }

  get partialBytes(): number {
    return this.#call === undefined ? (this.#partial?.bytes ?? 0) : 0;
  }

  dropPartial(): void {
    if (this.#call !== undefined) return;
    this.#partial?.drop();
    this.#partial = undefined;
  }

  async settled(): Promise<void> {
    await this.#turn;
  }

  async close(error: HoldfastError): Promise<void> {
    this.#closed = error;
    this.disconnect(error);
    await this.#turn;
  }

  async #serve(call: ReplicationCall): Promise<void> {
    const messages = call[Symbol.asyncIterator]();
    if (call.closed.aborted) throw call.closed.reason ?? replaced(this.machineId);
    const open = await this.#awaitOpen(call, messages);
    const { uploader } = this.#options;
    let standing: Standing;
    try {
      standing = await this.#inTime(uploader.open({ term: Number(open.seenTerm), anchor: open.anchor }));
    } catch (reason) {
      const { fence } = uploader.state;
      if (fromSystem(reason, this.machineId).code !== 'FENCED' || fence === undefined) throw reason;
      await this.#sendFence(call, fence);
      return;
    }
    const accepted = createAcceptedEpochs(standing.accepted, standing.log);
    const partial = await this.#resumable(open);
    const intake = createCutIntake({
      machineId: this.machineId,
      begin: this.#options.begin,
      commit: this.#options.commit,
      capacity: this.#options.capacity,
      accepted,
      onTaken: ({ epochs }) => accepted.take(epochs),
      isKnown: (cutId) => uploader.isKnown(cutId),
      partial,
    });
    let session: Session | undefined;
    try {
      session = await this.#begin(call, intake, open, standing);
      while (await this.#takeNext(session, messages)) {}
    } finally {
      uploader.listen(undefined);
      session?.leave();
      session?.receipts.close();
      session?.share.close();
      // A cut on its way to the disk is handed over before another stream asks for it.
      await Promise.all(session?.finishing ?? []);
      this.#partial = intake.open;
      // Of a machine that may be gone nothing more comes: whoever fails it over does not wait for what is gathered.
      if (this.#call === call && this.#closed === undefined) uploader.hurry();
    }
  }

  /** The beginning of a cut that the agent still holds. What cannot be read of one from before this start is sent again. */
  async #resumable({ heldCutIds }: Open): Promise<OpenCut | undefined> {
    const partial = this.#partial;
    this.#partial = undefined;
    try {
      if (heldCutIds.some((id) => idText(id) === partial?.cutId)) {
        await partial?.resume();
        return partial;
      }
    } catch (reason) {
      if (fromSystem(reason, this.machineId).code !== 'DAMAGED') throw reason;
    }
    partial?.drop();
    return undefined;
  }

  async #awaitOpen(call: ReplicationCall, messages: AsyncIterator<ReplicateRequest>): Promise<Open> {
    const timer = setTimeout(() => call.abort(violation(`machine ${this.machineId}`, `no Open came within ${OPENING} ms`)), OPENING);
    const { value, done } = await messages.next().finally(() => clearTimeout(timer));
    return checkOpen(done === true ? undefined : value, this.machineId);
  }

  async #begin(call: ReplicationCall, intake: CutIntake, open: Open, { term, durable, accepted }: Standing): Promise<Session> {
    const { uploader, pool, version } = this.#options;
    const held = new Set(open.heldCutIds.map(idText));
    const pending = new Set(uploader.pending());
    const partial = intake.open;
    let credit = 0;
    let opened = false;
    const share = pool.join((bytes) => {
      if (opened) this.#say(call, { case: 'credit', value: { bytes: BigInt(bytes) } });
      else credit += bytes;
    });
    const agreed = Math.min(PROTOCOL_VERSION, open.protocolVersion);
    const receipts = createReceipts(agreed >= GATHERED_SINCE ? this.#options.receiptGap : () => 0, (value) =>
      this.#say(call, { case: 'journaled', value }),
    );
    const begun = { finishing: new Set<Promise<void>>(), handedOn: Promise.resolve(), leave: () => undefined, queries: 0, paced: 0 };
    const session: Session = { call, intake, share, receipts, version: agreed, ...begun };
    const notices = createDurableNotices(agreed >= BRIEF_SINCE, (value) => this.#say(call, { case: 'durable', value }));
    uploader.listen({
      onDurable: ({ cutId }, anchor) => notices.add(cutId, anchor),
      onRefused: (cut, reason) => this.#refused(call, cut, reason),
      onLost: (reason) => call.abort(lost(this.machineId, `cuts in the journal were lost: ${reason.why}`)),
      onFenced: (fence) => {
        // The words go first; then the stream ends.
        void this.#sendFence(call, fence).then(
          () => call.end(),
          () => undefined,
        );
      },
    });
    // In one turn with taking the pending cuts, so that whatever becomes durable from now on is told behind Opened.
    const answer: Response = {
      case: 'opened',
      value: {
        term: BigInt(term),
        protocolVersion: agreed,
        serverVersion: version,
        credit: BigInt(credit),
        disks: [...accepted].map(([diskId, journaled]) => {
          const head = durable.get(diskId);
          return { diskId: idBytes(diskId), journaledThrough: epochRef(journaled), ...(head && { durableThrough: epochRef(head) }) };
        }),
        durableCutIds: [...held].filter((id) => uploader.isDurable(id)).map(idBytes),
        journaledCutIds: [...held].filter((id) => pending.has(id)).map(idBytes),
        ...(partial && { partial: { cutId: idBytes(partial.cutId), frames: partial.progress.map(({ frames }) => BigInt(frames)) } }),
      },
    };
    opened = true;
    await call.send(create(ReplicateResponseSchema, { message: answer }));
    return session;
  }

  /** By itself, so that nothing holds what was taken while the next message is waited for. False at the end. */
  async #takeNext(session: Session, messages: AsyncIterator<ReplicateRequest>): Promise<boolean> {
    const { value, done } = await messages.next();
    if (done === true) return false;
    await this.#take(session, value);
    return true;
  }

  async #take(session: Session, { message }: ReplicateRequest): Promise<void> {
    const { call, intake, share } = session;
    switch (message.case) {
      case 'cutBegin': {
        session.leave = await this.#options.turns.enter(call.closed);
        share.begin();
        await this.#tellUnfit(call, intake.begin(message.value));
        return;
      }
      case 'frames': {
        const bytes = message.value.payload.length;
        if (bytes > share.outstanding)
          throw violation(`machine ${this.machineId}`, `it sent ${bytes} bytes and was granted ${share.outstanding}`);
        share.arrived(bytes);
        this.#options.onReceived(bytes);
        void this.#watch(call, intake.frames(message.value), () => share.done(bytes));
        this.#pace(session);
        return;
      }
      case 'cutEnd': {
        const { cut } = message.value;
        if (session.version < BRIEF_SINCE || cut === undefined || intake.isReceiving) {
          share.end();
          this.#end(session, message.value, intake.end(message.value));
          return;
        }
        const { unfit, ending } = intake.whole(cut);
        this.#end(session, message.value, ending);
        if (unfit.length > 0) await this.#tellUnfit(call, unfit);
        return;
      }
      case 'digestQuery':
        if (session.version < 2) throw violation(`machine ${this.machineId}`, 'it asked for digests, which this version does not have');
        if (session.queries >= MOST_QUERIES) throw violation(`machine ${this.machineId}`, `more than ${MOST_QUERIES} queries are open`);
        void this.#watch(call, this.#answer(session, message.value));
        return;
      default:
        throw violation(`machine ${this.machineId}`, `${message.case ?? 'nothing'} came in the middle of the stream`);
    }
  }

  /** Not waited for: the next cut is received while this one reaches the disk. They are handed on in their order. */
  #end(session: Session, end: CutEnd, ending: Promise<Ending>): void {
    const { leave, handedOn } = session;
    session.handedOn = this.#finish(session, end, ending, handedOn);
    const work = this.#watch(session.call, session.handedOn, () => {
      session.finishing.delete(work);
      leave();
    });
    session.finishing.add(work);
  }

  async #tellUnfit(call: ReplicationCall, unfit: readonly Unfit[]): Promise<void> {
    for (const { diskId, reason } of unfit)
      await call.send(create(ReplicateResponseSchema, { message: { case: 'resyncNeeded', value: { diskId, reason } } }));
  }

  async #finish(
    { call, receipts }: Session,
    { cut: message, awaited }: CutEnd,
    ending: Promise<Ending>,
    before: Promise<void>,
  ): Promise<void> {
    const result = await ending;
    await before.catch((reason: unknown) => {
      // What follows a cut that this side does not have is sent again behind it.
      if (result !== undefined && 'release' in result) result.release();
      throw reason;
    });
    if (result === undefined) return;
    const { uploader } = this.#options;
    if ('known' in result) {
      const { head } = uploader.state;
      const cutId = idBytes(result.known);
      if (uploader.isDurable(result.known) && head !== undefined)
        this.#say(call, { case: 'durable', value: { cutId, anchor: anchorMessage(head) } });
      else this.#say(call, { case: 'journaled', value: { cutId } });
      return;
    }
    const cut = message ?? result.cut;
    receipts.add(result.cutId, !awaited && isIdle(cut));
    uploader.submit(result, { awaited, cut });
  }

  async #answer(session: Session, query: DigestQuery): Promise<void> {
    session.queries += 1;
    const answer = await this.#options.digests.answer(query);
    session.queries -= 1;
    const value =
      'refusal' in answer
        ? { id: query.id, refusal: answer.refusal, reason: answer.reason }
        : { id: query.id, state: epochRef(answer.state), digests: answer.digests, diskSize: BigInt(answer.size) };
    this.#say(session.call, { case: 'digests', value });
  }

  /** A failure of work that nobody waits for ends the stream. */
  #watch(call: ReplicationCall, work: Promise<void>, done?: () => void): Promise<void> {
    return work.then(done, (reason: unknown) => {
      done?.();
      call.abort(fromSystem(reason, `machine ${this.machineId}`, 'INTERNAL'));
    });
  }

  /** A vault that does not answer must not keep an agent from trying another server. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#options.uploader.state.problem ?? notOpened(this.machineId, PATIENCE)), PATIENCE);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  #pace(session: Session): void {
    const pace = this.#options.pace();
    const wanted = pace?.bytesPerSecond ?? 0;
    if (wanted === session.paced) return;
    session.paced = wanted;
    this.#say(session.call, { case: 'pace', value: { bytesPerSecond: BigInt(wanted), reason: pace?.reason ?? '' } });
  }

  #refused(call: ReplicationCall, { cut }: JournaledCut, reason: HoldfastError): void {
    for (const { diskId } of cut.epochs)
      this.#say(call, { case: 'resyncNeeded', value: { diskId, reason: `${reason.thing}: ${reason.why}` } });
    // What stood behind the cut is gone too; opening again tells the agent what this side has.
    setImmediate(() => call.abort(lost(this.machineId, `a cut was refused: ${reason.why}`)));
  }

  async #sendFence(call: ReplicationCall, { term, reason, operationId }: Fence): Promise<void> {
    const value = { term: BigInt(term), reason, ...(operationId !== undefined && { failedOverOperationId: idBytes(operationId) }) };
    await call.send(create(ReplicateResponseSchema, { message: { case: 'fenced', value } }));
  }

  /** Sends without waiting: what is told is small, and the transport keeps order. */
  #say(call: ReplicationCall, message: Response): void {
    call.send(create(ReplicateResponseSchema, { message })).catch(() => undefined);
  }
}

export const createReceiver = (options: ReceiverOptions): MachineReceiver => new StreamReceiver(options);
