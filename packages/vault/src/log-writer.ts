import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type Cut, type CutContent, idText } from '@holdfast/protocol';
import { newestCatalogue } from './catalogue.ts';
import { Checkpointer, type CheckpointInterval, type CheckpointSlot, DEFAULT_INTERVAL } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import { CutReader } from './cut-reader.ts';
import type { Anchor, DiskHead } from './head.ts';
import { admit } from './history.ts';
import { Lineage, violation } from './lineage.ts';
import { readCuts } from './log-base.ts';
import { IN_FLIGHT_LIMIT } from './log-gap.ts';
import { checkAnchor } from './read-machine.ts';
import { SegmentBatch } from './segment-batch.ts';
import { FIRST_PAUSE, LONGEST_PAUSE, SlotPipeline } from './slot-pipeline.ts';
import { refuseFailedOver, takeOver } from './takeover.ts';
import type { Vault } from './vault.ts';

/** The slot that made a cut durable; the newest one is the anchor to keep. */
export type Durable = Anchor;

export interface LogWriterOptions {
  /** The highest term the caller has ever seen; the writer's term is above it. */
  readonly seenTerm?: number;
  /** A slot that must still be there, else VAULT_ROLLED_BACK. */
  readonly anchor?: Anchor;
  /** Slots written at the same time, 1 to 8, 4 unless told. */
  readonly inFlight?: number;
  /**
   * Bytes at which a segment is sealed, about 8 MiB unless told: larger ones cost fewer requests, smaller ones less memory and less to send again.
   */
  readonly segmentSize?: number;
  /** How often the log is summed up in a catalogue version: every 256 slots or 10 minutes unless told. */
  readonly checkpoint?: CheckpointInterval;
  readonly clock?: Clock;
  /** Told of every cut that is in the log already and was not thinned, oldest first. */
  onCut?(cut: Cut): void;
}

const DEFAULT_SEGMENT_SIZE = 8 * 1024 * 1024;

/** The one writer of a machine's log, as long as nobody takes a higher term. */
export interface LogWriter {
  readonly term: number;
  /** The newest durable epoch of each disk, by disk id; follows the appends. */
  readonly heads: ReadonlyMap<string, DiskHead>;
  /** The newest durable slot. */
  readonly head: Anchor;
  /** Epochs of each generation there ever was of any disk, by generation id: those in the log and those appended. */
  epochs(): ReadonlyMap<string, number>;
  /**
   * Appends a cut; resolves when it is durable and the term was seen to be still the highest after that. May be called again before the
   * last call resolved; order of calls is order in the log. A cut that is durable already with the same content resolves at once. The frames must stay
   * as they are until then.
   *
   * Errors: FENCED (somebody took over: the writer is done), EPOCH_CONFLICT (an epoch of that identity holds something else),
   * PROTOCOL_VIOLATION (a gap, an unknown generation, parent or member), DAMAGED (frames that fail their checksum or digest); a cut whose frames fail
   * takes those appended behind it with it, and the writer goes on. INTERRUPTED when the writer was closed.
   */
  append(content: CutContent): Promise<Durable>;
  /** Stops; what is not durable is refused with INTERRUPTED, though it may still turn out to be in the log. */
  close(): Promise<void>;
}

interface Pending {
  readonly content: CutContent;
  readonly durable: PromiseWithResolvers<Durable>;
}

interface WriterParts {
  readonly term: number;
  readonly lineage: Lineage;
  readonly pipeline: SlotPipeline;
  readonly segmentSize: number;
}

class MachineLogWriter implements LogWriter {
  readonly term: number;
  readonly heads: Map<string, DiskHead>;
  readonly #lineage: Lineage;
  readonly #pipeline: SlotPipeline;
  /** Not begun yet. */
  readonly #queue: Pending[] = [];
  /** Everything that is not durable, by cut id, in order. */
  readonly #pending = new Map<string, Pending>();
  #current: { readonly pending: Pending; readonly reader: CutReader } | undefined;
  #arrival = Promise.withResolvers<void>();
  readonly #segmentSize: number;
  readonly #onDurable: (slot: CheckpointSlot) => void;
  readonly #checkParents: (cut: Cut, signal: AbortSignal) => Promise<void>;
  readonly #renewKey: () => Promise<void>;
  readonly #stop = new AbortController();
  #failure: unknown;

  constructor(
    { term, lineage, pipeline, segmentSize }: WriterParts,
    onDurable: (slot: CheckpointSlot) => void,
    checkParents: (cut: Cut, signal: AbortSignal) => Promise<void>,
    renewKey: () => Promise<void>,
  ) {
    this.term = term;
    this.#segmentSize = segmentSize;
    this.heads = lineage.heads();
    this.#lineage = lineage;
    this.#pipeline = pipeline;
    this.#onDurable = onDurable;
    this.#checkParents = checkParents;
    this.#renewKey = renewKey;
    this.#run().catch((reason: unknown) => this.#fail(reason));
  }

  get head(): Anchor {
    return this.#pipeline.head;
  }

  epochs(): ReadonlyMap<string, number> {
    return this.#lineage.lengths();
  }

  /** Raised when the writer is done. */
  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends the writer because of a defect beside it. */
  fail(reason: unknown): void {
    this.#fail(reason);
  }

  async append(content: CutContent): Promise<Durable> {
    if (this.#failure !== undefined) throw this.#failure;
    const { cut } = content;
    if (this.#lineage.judge(cut) === 'known') return this.#pending.get(idText(cut.id))?.durable.promise ?? this.head;
    this.#lineage.add(cut);
    try {
      this.#lineage.checkPoint(cut);
    } catch (reason) {
      this.#lineage.remove(cut);
      throw reason;
    }
    const pending = { content, durable: Promise.withResolvers<Durable>() };
    this.#pending.set(idText(cut.id), pending);
    this.#queue.push(pending);
    this.#arrival.resolve();
    return pending.durable.promise;
  }

  async close(): Promise<void> {
    const reason = new HoldfastError('INTERRUPTED', {
      thing: `log writer of term ${this.term}`,
      why: 'it was closed',
      remedy: 'open another one; it finds out what became durable',
    });
    this.#fail(reason);
    this.#pipeline.stop(reason);
  }

  /** Gathers what is queued into one batch after the other, for as long as there is room in the pipeline. */
  async #run(): Promise<void> {
    try {
      while (await this.#shipNext()) {}
    } finally {
      await this.#current?.reader.close().catch(() => {});
    }
  }

  /** By itself, so that nothing holds what was shipped while more is waited for: of an idle machine for minutes. False when the writer is done. */
  async #shipNext(): Promise<boolean> {
    if (this.#current === undefined && this.#queue.length === 0) {
      this.#arrival = Promise.withResolvers();
      await this.#arrival.promise;
    }
    await this.#pipeline.room();
    if (this.#failure !== undefined) return false;
    const { batch, cuts } = await this.#gather();
    await this.#renewKey();
    if (!batch.isEmpty && this.#failure === undefined)
      this.#pipeline.submit({
        batch,
        onDurable: (anchor, slot) => {
          this.#settle(cuts, anchor);
          this.#onDurable(slot);
        },
        onFailed: (reason) => this.#fail(reason),
      });
    return true;
  }

  async #gather(): Promise<{ batch: SegmentBatch; cuts: readonly Cut[] }> {
    const batch = new SegmentBatch(this.#segmentSize);
    const cuts: Cut[] = [];
    while (!batch.isFull && this.#failure === undefined) {
      if (this.#current === undefined) {
        const pending = this.#queue.shift();
        if (pending === undefined) break;
        this.#current = { pending, reader: new CutReader(pending.content) };
      }
      const { pending, reader } = this.#current;
      try {
        if (reader.isUntouched) await this.#checkParents(pending.content.cut, this.#stop.signal);
        if (!(await reader.fill(batch))) break;
        cuts.push(pending.content.cut);
      } catch (reason) {
        if (!reader.isUntouched) batch.withdraw();
        await reader.close().catch(() => {});
        this.#refuse(pending, reason);
      }
      this.#current = undefined;
    }
    return { batch, cuts };
  }

  #settle(cuts: readonly Cut[], anchor: Anchor): void {
    for (const cut of cuts) {
      for (const { diskId, generationId, number, open, coveredThrough, diskSize } of cut.epochs)
        this.heads.set(idText(diskId), {
          generationId: idText(generationId),
          number: Number(number),
          open,
          coveredThrough: Number(coveredThrough),
          diskSize: Number(diskSize),
        });
      const id = idText(cut.id);
      this.#pending.get(id)?.durable.resolve(anchor);
      this.#pending.delete(id);
    }
  }

  /** A cut whose frames fail goes, and with it those behind it, which rest on it. */
  #refuse(refused: Pending, reason: unknown): void {
    const all = [refused, ...this.#queue.splice(0)];
    for (const { content } of all.toReversed()) this.#lineage.remove(content.cut);
    for (const { content, durable } of all) {
      this.#pending.delete(idText(content.cut.id));
      durable.reject(content === refused.content ? reason : behind(content.cut, refused.content.cut, reason));
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#stop.abort();
    this.#queue.length = 0;
    for (const { durable } of this.#pending.values()) durable.reject(this.#failure);
    this.#pending.clear();
    this.#arrival.resolve();
  }
}

const behind = (cut: Cut, refused: Cut, reason: unknown): unknown =>
  reason instanceof HoldfastError
    ? new HoldfastError(reason.code, {
        thing: `cut ${idText(cut.id)}`,
        why: `cut ${idText(refused.id)} before it was refused (${reason.why})`,
        remedy: reason.remedy,
        cause: reason,
      })
    : reason;

/**
 * Reads the log to its head, takes a new term, fences older writers out; what is refused touched nothing. Errors: MACHINE_NOT_FOUND, FENCED (a newer writer, or the machine is failed
 * over), VAULT_ROLLED_BACK, DAMAGED.
 */
export const openLogWriter = async (
  vault: Vault,
  machineId: string,
  { seenTerm = 0, anchor, inFlight = 4, segmentSize = DEFAULT_SEGMENT_SIZE, checkpoint, clock = systemClock, onCut }: LogWriterOptions = {},
): Promise<LogWriter> => {
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > IN_FLIGHT_LIMIT)
    throw new HoldfastError('SETTING_INVALID', {
      thing: `${inFlight} slots in flight`,
      why: `a writer has 1 to ${IN_FLIGHT_LIMIT} under way`,
      remedy: 'choose a number between',
    });
  const lineage = new Lineage(machineId);
  const tail: Parameters<Checkpointer['take']>[] = [];
  let anchored: string | undefined;
  const { base, term, keyEpoch, state } = await takeOver(vault, machineId, {
    seenTerm,
    clock,
    records: [],
    onGenerations: (summaries) => lineage.load(summaries),
    onCut: ({ cut }, name, isLoaded) => {
      if (isLoaded) lineage.tell(cut);
      else admit(lineage, cut, name);
      onCut?.(cut);
    },
    onSlot: (sequence, tag) => {
      if (sequence === anchor?.sequence) anchored = tag;
    },
    onTail: (...slot) => tail.push(slot),
    onHead: ({ head, failedOver }, covered) => {
      if (anchor !== undefined && (anchored !== undefined || anchor.sequence >= covered)) checkAnchor(anchor, head, anchored, machineId);
      if (failedOver !== undefined) throw refuseFailedOver(machineId, failedOver);
    },
  });
  const key = await vault.keys.keyOf(machineId, keyEpoch);
  const pipeline = new SlotPipeline({ vault, machineId, term, keyEpoch, key, head: state.head, clock, inFlight });
  const interval = { ...DEFAULT_INTERVAL, ...checkpoint };
  const machineWriter = { vault, machineId, keyEpoch };
  const checkpointer: Checkpointer = new Checkpointer({
    writer: machineWriter,
    base,
    clock,
    interval,
    onDefect: (reason) => writer.fail(reason),
  });
  for (const slot of tail) checkpointer.take(...slot);
  const { assembler } = base;
  const onDurable = (slot: CheckpointSlot): void => {
    checkpointer.take(slot, assembler.take(slot), assembler.next, assembler.isWhole);
    checkpointer.publishWhenDue();
  };
  const checkParents = async (cut: Cut, signal: AbortSignal): Promise<void> => {
    for (let pause = FIRST_PAUSE; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        return await refuseForgotten(vault, machineId, cut);
      } catch (reason) {
        if (!isHoldfastError(reason) || !reason.retryable) throw reason;
      }
      await clock.sleep(pause, signal);
    }
  };
  const renewKey = keyRenewal(vault, machineId, clock, keyEpoch, (epoch, newKey) => {
    pipeline.useKey(epoch, newKey);
    machineWriter.keyEpoch = epoch;
  });
  const writer = new MachineLogWriter({ term, lineage, pipeline, segmentSize }, onDurable, checkParents, renewKey);
  writer.stopping.addEventListener('abort', () => checkpointer.stop());
  checkpointer.publishWhenDue();
  return writer;
};

/** Milliseconds between two looks for a new data key of a machine. */
const KEY_LOOK_INTERVAL = 10 * 60_000;

/**
 * Looks now and then whether the machine was given a new data key, so that a rotation reaches writers that work for months. Errors: VAULT_KEY_WRONG when
 * the vault was rekeyed and the own key is no longer a holder's; that ends the writer.
 */
const keyRenewal = (
  { keys }: Vault,
  machineId: string,
  clock: Clock,
  first: number,
  onKey: (keyEpoch: number, key: Uint8Array) => void,
): (() => Promise<void>) => {
  let [epoch, looked] = [first, clock.now()];
  return async () => {
    if (clock.now() - looked < KEY_LOOK_INTERVAL) return;
    looked = clock.now();
    try {
      const newest = await keys.newestEpoch(machineId);
      if (newest === epoch) return;
      onKey(newest, await keys.keyOf(machineId, newest));
      epoch = newest;
    } catch (reason) {
      // While the store is away the key at hand is good enough; the next look finds what is new.
      if (!isHoldfastError(reason) || !reason.retryable) throw reason;
    }
  };
};

/**
 * A keeper may have thinned the state that a generation begins on, while this writer was at work. Errors: PROTOCOL_VIOLATION, those of the store. The
 * newest states are never thinned; who begins on an older one holds it.
 */
const refuseForgotten = async (vault: Vault, machineId: string, { generations }: Cut): Promise<void> => {
  if (generations.every(({ parent }) => parent === undefined)) return;
  const { newest } = await newestCatalogue(vault, machineId);
  if (newest === undefined) return;
  const told = new Lineage(machineId);
  await readCuts(vault, machineId, newest.catalogue, {
    onGenerations: (summaries) => told.load(summaries),
    onCut: ({ cut }, _, isLoaded) => (isLoaded ? told.tell(cut) : told.add(cut)),
  });
  for (const { id, parent } of generations)
    if (parent !== undefined && told.isForgotten(parent)) throw violation(`generation ${idText(id)}`, 'its parent was thinned');
};
