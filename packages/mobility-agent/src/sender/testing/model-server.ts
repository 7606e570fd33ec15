import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { coarsen, contentDigest, knownDigests } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import {
  type Cut,
  type CutContent,
  type DigestQuery,
  DigestRefusal,
  type DigestsSchema,
  type Epoch,
  idBytes,
  idText,
  type Open,
  type ReplicateRequest,
  ReplicateResponseSchema,
  type ReplicationCall,
  splitFrames,
} from '@holdfast/protocol';
import { createReceiver } from '../../scan/testing/receiver.ts';

/** Milliseconds. */
const RECEIPT_GAP = 5;
const FRAME_LIMIT = 1024 * 1024;

/** A cut as a server received it. */
export interface ReceivedCut extends CutContent {
  readonly id: string;
  readonly cut: Cut;
  readonly epochs: readonly (readonly Uint8Array[])[];
}

/** How a model server behaves, from its next stream on unless said otherwise. */
export interface Behaviour {
  /** Bytes granted at the opening; what was read is granted again at once. */
  credit: number;
  /** Streams break when so many messages came in, or so many would have gone out. */
  breakAfterReceived: number;
  breakAfterSent: number;
  /** Cuts that stay in the journal before the oldest goes into the vault. */
  lag: number;
  /** Everything about cuts is said twice. */
  twice: boolean;
  /** Told at the opening instead of the truth. */
  durableThrough: { readonly diskId: string; readonly generationId: string; readonly number: bigint } | undefined;
  partial: { readonly cutId: Uint8Array<ArrayBuffer>; readonly frames: bigint[] } | undefined;
  /** The highest version of the protocol it speaks. */
  version: number;
  /** What it does with queries for digests. */
  digests: 'answer' | 'refuse' | 'keep silent';
  /** Said instead of serving. */
  refusal: HoldfastError | undefined;
}

/** What the agents of a test talk to: a process server with a vault in memory, which notes whatever breaks the rules of the protocol. */
export interface ModelServer {
  readonly behaviour: Behaviour;
  /** In the vault, in order. */
  readonly vault: readonly ReceivedCut[];
  /** On its disk only. */
  readonly journal: readonly ReceivedCut[];
  /** Rules that were broken. */
  readonly violations: readonly string[];
  /** Streams that were accepted. */
  readonly streams: number;
  readonly opens: readonly Open[];
  /** Ids of cuts that began to arrive, in order, again and again. */
  readonly begun: readonly string[];
  /** Queries for digests, in order. */
  readonly queries: readonly DigestQuery[];
  /** Bytes of frames that came in, again and again. */
  readonly receivedBytes: number;
  term: bigint;
  /** For `serve` of a replication server. */
  serve(call: ReplicationCall): Promise<void>;
  /** What is only in memory is lost; streams break; a new term. */
  restart(): void;
  /** The same, and the journal is lost too. */
  loseDisk(): void;
  /** Everything journaled goes into the vault. */
  flush(): Promise<void>;
  /** Says something on the present stream. */
  say(message: Response): Promise<void>;
}

type Response = NonNullable<MessageInitShape<typeof ReplicateResponseSchema>['message']>;

const broken = (): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing: 'the stream', why: 'it was broken by the test', remedy: 'try again' });

interface Arriving {
  readonly id: string;
  readonly epochs: Uint8Array[][];
}

class Model implements ModelServer {
  readonly behaviour: Behaviour = {
    credit: 4 * 1024 * 1024,
    breakAfterReceived: Number.POSITIVE_INFINITY,
    breakAfterSent: Number.POSITIVE_INFINITY,
    lag: 0,
    twice: false,
    durableThrough: undefined,
    partial: undefined,
    version: 4,
    digests: 'answer',
    refusal: undefined,
  };
  readonly vault: ReceivedCut[] = [];
  readonly journal: ReceivedCut[] = [];
  readonly violations: string[] = [];
  streams = 0;
  readonly opens: Open[] = [];
  readonly begun: string[] = [];
  readonly queries: DigestQuery[] = [];
  receivedBytes = 0;
  term = 1n;
  readonly #states = createReceiver();
  #applied = 0;
  #applying: Promise<void> = Promise.resolve();
  #partial: Arriving | undefined;
  /** Cuts on the disk of which the agent was not told yet. */
  readonly #untold: Uint8Array[] = [];
  #call: ReplicationCall | undefined;
  #say: (message: Response) => Promise<void> = async () => undefined;

  async serve(call: ReplicationCall): Promise<void> {
    const { refusal, breakAfterReceived, breakAfterSent } = this.behaviour;
    if (refusal !== undefined) throw refusal;
    this.streams += 1;
    this.#call?.abort(broken());
    this.#call = call;
    let sent = 0;
    const say = async (message: Response): Promise<void> => {
      if (sent >= breakAfterSent) throw broken();
      sent += 1;
      await call.send(create(ReplicateResponseSchema, { message }));
    };
    this.#say = say;
    const budget = { granted: this.behaviour.credit };
    let received = 0;
    for await (const { message } of call) {
      if (received >= breakAfterReceived) throw broken();
      received += 1;
      if ((message.case === 'open') !== (received === 1)) this.violations.push(`${message.case} as message ${received}`);
      await this.#take(message, say, budget);
    }
  }

  async #take(message: ReplicateRequest['message'], say: (message: Response) => Promise<void>, budget: { granted: number }): Promise<void> {
    switch (message.case) {
      case 'open':
        this.#untold.length = 0;
        return this.#open(message.value, say);
      case 'cutBegin': {
        const id = idText(message.value.cutId);
        this.begun.push(id);
        if (this.#partial !== undefined && this.#partial.id !== id) this.#partial = undefined;
        this.#partial ??= { id, epochs: message.value.epochs.map(() => []) };
        return;
      }
      case 'frames': {
        const { epochIndex, firstFrame, payload } = message.value;
        budget.granted -= payload.length;
        this.receivedBytes += payload.length;
        if (budget.granted < 0) this.violations.push(`${-budget.granted} bytes more than granted`);
        const epoch = this.#partial?.epochs[epochIndex];
        if (epoch === undefined || BigInt(epoch.length) !== firstFrame)
          this.violations.push(`frame ${firstFrame} where ${epoch?.length} is next`);
        epoch?.push(...splitFrames(payload, FRAME_LIMIT).map((frame) => Uint8Array.from(frame)));
        budget.granted += payload.length;
        return say({ case: 'credit', value: { bytes: BigInt(payload.length) } });
      }
      case 'cutEnd':
        return this.#end(message.value.cut!, say);
      case 'digestQuery':
        if (this.behaviour.version < 2) this.violations.push('a query for digests that this version does not have');
        this.queries.push(message.value);
        if (this.behaviour.digests !== 'keep silent') await say({ case: 'digests', value: await this.#answer(message.value) });
    }
  }

  async #open(open: Open, say: (message: Response) => Promise<void>): Promise<void> {
    this.opens.push(open);
    const held = new Set(open.heldCutIds.map(idText));
    const { durableThrough, partial = this.#begun() } = this.behaviour;
    const own = (cuts: readonly ReceivedCut[]) => cuts.filter(({ id }) => held.has(id)).map(({ cut }) => cut.id);
    await say({
      case: 'opened',
      value: {
        term: this.term,
        protocolVersion: Math.min(this.behaviour.version, open.protocolVersion),
        credit: BigInt(this.behaviour.credit),
        durableCutIds: own(this.vault),
        journaledCutIds: own(this.journal),
        ...(partial === undefined ? {} : { partial }),
        disks:
          durableThrough === undefined
            ? []
            : [
                {
                  diskId: idBytes(durableThrough.diskId),
                  durableThrough: { ...durableThrough, generationId: idBytes(durableThrough.generationId) },
                },
              ],
      },
    });
    await this.#makeDurable();
  }

  #begun(): Behaviour['partial'] {
    if (this.#partial === undefined) return undefined;
    return { cutId: idBytes(this.#partial.id), frames: this.#partial.epochs.map(({ length }) => BigInt(length)) };
  }

  async #end(cut: Cut, say: (message: Response) => Promise<void>): Promise<void> {
    const id = idText(cut.id);
    const isBrief = this.behaviour.version >= 3 && this.#partial?.id !== id && cut.epochs.every(({ frameCount }) => frameCount === 0n);
    const arrived = isBrief ? { id, epochs: cut.epochs.map((): Uint8Array[] => []) } : this.#partial;
    this.#partial = undefined;
    if (arrived?.id !== id) return void this.violations.push(`cut ${id} ends without having begun`);
    for (const [index, epoch] of cut.epochs.entries()) {
      if (Buffer.compare(contentDigest(arrived.epochs[index]!), epoch.contentDigest) !== 0)
        this.violations.push(`epoch ${index} of cut ${id} is not what was cut`);
    }
    if (![...this.vault, ...this.journal].some((other) => other.id === id)) {
      const { epochs } = arrived;
      this.journal.push({
        id,
        cut,
        epochs,
        frames: async function* (index) {
          yield* epochs[index]!;
        },
      });
    }
    this.#untold.push(cut.id);
    const tell = async (): Promise<void> => {
      const ids = this.#untold.splice(0);
      const value = { cutId: ids.at(-1)!, earlierCutIds: ids.slice(0, -1) };
      for (let times = this.behaviour.twice ? 2 : 1; times > 0 && ids.length > 0; times -= 1) await say({ case: 'journaled', value });
    };
    // Of cuts without frames it tells together from version 4 on.
    if (isBrief && this.behaviour.version >= 4) setTimeout(() => void tell().catch(() => undefined), RECEIPT_GAP);
    else await tell();
    await this.#makeDurable();
  }

  async #answer({ id, state, orNewer, diskId, offset, length, coarse }: DigestQuery): Promise<MessageInitShape<typeof DigestsSchema>> {
    if (this.behaviour.digests === 'refuse') return { id, refusal: DigestRefusal.UNAVAILABLE, reason: 'the test says so' };
    this.#applying = this.#applying.then(async () => {
      while (this.#applied < this.vault.length) await this.#states.receive(this.vault[this.#applied++]!);
    });
    await this.#applying;
    const epochs = this.vault.flatMap(({ cut }) => cut.epochs).filter((epoch) => idText(epoch.diskId) === idText(diskId) && !epoch.open);
    const isOf = (epoch: Epoch): boolean => idText(epoch.generationId) === idText(state!.generationId);
    const found = epochs.findLast((epoch) => isOf(epoch) && (epoch.number === state!.number || (orNewer && epoch.number > state!.number)));
    if (found === undefined) return { id, refusal: DigestRefusal.NOT_DURABLE };
    const of = { generationId: found.generationId, number: found.number };
    const disk = this.#states.state({ ...of, $typeName: 'holdfast.v1.EpochRef' });
    const fine = knownDigests(disk.subarray(Number(offset), Number(offset + length)));
    return { id, state: of, digests: coarse ? coarsen(fine) : fine, diskSize: BigInt(disk.length) };
  }

  async #makeDurable(lag = this.behaviour.lag): Promise<void> {
    while (this.journal.length > lag) {
      const gathered = this.journal.splice(0, this.behaviour.version >= 3 ? this.journal.length - lag : 1);
      this.vault.push(...gathered);
      const received = gathered.at(-1)!;
      const earlierCutIds = gathered.slice(0, -1).map(({ cut }) => cut.id);
      const anchor = { sequence: BigInt(this.vault.length), term: this.term, tag: Buffer.from(received.id, 'hex') };
      for (let times = this.behaviour.twice ? 2 : 1; times > 0; times -= 1)
        await this.#say({ case: 'durable', value: { cutId: received.cut.id, earlierCutIds, anchor } });
    }
  }

  restart(): void {
    this.#partial = undefined;
    this.term += 1n;
    this.#call?.abort(broken());
  }

  loseDisk(): void {
    this.journal.length = 0;
    this.restart();
  }

  flush(): Promise<void> {
    return this.#makeDurable(0);
  }

  say(message: Response): Promise<void> {
    return this.#say(message);
  }
}

export const createModelServer = (): ModelServer => new Model();
