import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import {
  type Catalogue,
  CatalogueSchema,
  HistoryRecordsSchema,
  LogHeadSchema,
  type PlacedCut,
  type Tombstone,
  TombstoneSchema,
} from '@holdfast/protocol';
import { type NewestCatalogue, newestCatalogue, publishCatalogue, stateOf } from './catalogue.ts';
import type { Clock } from './clock.ts';
import type { AssembledCut, CutSlot } from './cut-assembler.ts';
import { failoverRecord } from './head.ts';
import { createHistory, historyToMerge, placedCut, readHistory, slotHead } from './history-object.ts';
import { LogState } from './log-state.ts';
import { OBJECT_KIND } from './object-header.ts';
import type { MachineWriter } from './referenced-object.ts';

/** A slot that counts, as far as a checkpoint needs it. */
export interface CheckpointSlot extends CutSlot {
  readonly tag: string;
}

/** How often a writer publishes what its log says. */
export interface CheckpointInterval {
  /** 256 unless told. */
  readonly slots?: number;
  /** 600,000, ten minutes, unless told. */
  readonly milliseconds?: number;
}

export const DEFAULT_INTERVAL: Required<CheckpointInterval> = { slots: 256, milliseconds: 600_000 };

/**
 * The cuts that a slot completes, as the bytes they will have in a history object: a machine in which nothing changes has many, and they wait for ten
 * minutes.
 */
interface PackedCuts {
  /** The slot. */
  readonly sequence: number;
  /** `HistoryRecords` with nothing but cuts. */
  readonly bytes: Uint8Array;
  /** The slots that they refer to. */
  readonly needed: ReadonlySet<number>;
}

const pack = (sequence: number, cuts: readonly AssembledCut[]): PackedCuts => ({
  sequence,
  bytes: toBinary(HistoryRecordsSchema, create(HistoryRecordsSchema, { cuts: cuts.map(placedCut) })),
  needed: new Set(cuts.flatMap(({ runs }) => runs.flatMap((ofEpoch) => ofEpoch.map((run) => run.sequence)))),
});

/** Everything up to a slot behind which no cut is in the middle of its parts. */
interface Checkpoint {
  readonly covered: number;
  readonly state: LogState;
  /** The number of the next cut. */
  readonly nextCut: number;
}

interface CheckpointerOptions {
  readonly writer: MachineWriter;
  readonly base: Pick<NewestCatalogue, 'newest' | 'highest'>;
  readonly clock: Clock;
  readonly interval: Required<CheckpointInterval>;
  /** Told of what should never happen; whatever the store says is none of that. */
  onDefect(reason: unknown): void;
}

/** How often another one is let go first, who publishes at the same time. */
const ATTEMPTS = 5;

/**
 * Gathers what a log says behind the newest catalogue version, and publishes it now and then, so that nobody has to read many slots to know it. Never
 * stands in the way of the writer: what fails is tried again with the next checkpoint.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #state: LogState;
  #base: Pick<NewestCatalogue, 'newest' | 'highest'>;
  #cuts: PackedCuts[] = [];
  #slots: { readonly sequence: number; readonly tag: string }[] = [];
  #checkpoint: Checkpoint | undefined;
  /** Slots taken since the last attempt, and when that was. */
  #since = 0;
  #lastAttempt: number;
  #publishing: Promise<void> | undefined;
  /** The last attempt failed: others may have published since. */
  #isStale = false;
  #isStopped = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#base = options.base;
    const catalogue = options.base.newest?.catalogue;
    this.#state = catalogue === undefined ? new LogState() : stateOf(catalogue);
    this.#lastAttempt = options.clock.now();
  }

  /** Takes the next slot that counts, with the cuts that are complete with it. `isWhole`: no cut is in the middle of its parts behind it. */
  take(slot: CheckpointSlot, cuts: readonly AssembledCut[], nextCut: number, isWhole: boolean): void {
    this.#state.advance(slot);
    if (cuts.length > 0) this.#cuts.push(pack(slot.sequence, cuts));
    this.#slots.push({ sequence: slot.sequence, tag: slot.tag });
    this.#since += 1;
    if (isWhole) this.#checkpoint = { covered: slot.sequence + 1, state: this.#state.copy(), nextCut };
  }

  /** Publishes in the background when it is time for it. */
  publishWhenDue(): void {
    const { interval, clock } = this.#options;
    if (this.#since >= interval.slots || clock.now() - this.#lastAttempt >= interval.milliseconds)
      this.publish().catch((reason: unknown) => this.#options.onDefect(reason));
  }

  /** Nothing is published any more; what is under way is left to itself. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Publishes what there is; resolves when that is done or failed. */
  publish(): Promise<void> {
    this.#publishing ??= this.#publish().finally(() => {
      this.#publishing = undefined;
    });
    return this.#publishing;
  }

  async #publish(): Promise<void> {
    this.#since = 0;
    this.#lastAttempt = this.#options.clock.now();
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined || this.#isStopped) return;
    try {
      const { vault, machineId } = this.#options.writer;
      if (this.#isStale) this.#base = await newestCatalogue(vault, machineId);
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) if (await this.#attempt(checkpoint)) break;
      this.#isStale = false;
    } catch (reason) {
      if (!isHoldfastError(reason) && !this.#isStopped) throw reason;
      // What was to be put together may have been replaced and deleted meanwhile.
      this.#isStale = true;
    }
  }

  /** True when the checkpoint is published or not wanted any more. */
  async #attempt({ covered, state, nextCut }: Checkpoint): Promise<boolean> {
    const { vault, machineId } = this.#options.writer;
    const { newest } = this.#base;
    const from = Number(newest?.catalogue.covered ?? 0n);
    if (from < covered) {
      const content = await checkpointContent(this.#options.writer, newest?.catalogue, {
        cuts: this.#cuts
          .filter(({ sequence }) => sequence >= from && sequence < covered)
          .flatMap(({ bytes }) => fromBinary(HistoryRecordsSchema, bytes).cuts),
        slots: this.#slots,
        covered,
        state,
        nextCut,
        now: this.#options.clock.now(),
        version: this.#base.highest + 1,
      });
      const published = await publishCatalogue(this.#options.writer, this.#base, content);
      if (published === undefined) {
        this.#base = await newestCatalogue(vault, machineId);
        return false;
      }
      this.#base = { newest: published, highest: published.version };
    }
    this.#cuts = this.#cuts.filter(({ sequence }) => sequence >= covered);
    const needed = new Set(this.#cuts.flatMap((packed) => [...packed.needed]));
    this.#slots = this.#slots.filter(({ sequence }) => sequence >= covered || needed.has(sequence));
    return true;
  }
}

export interface CheckpointContent {
  /** Cuts that the catalogue before does not tell. */
  readonly cuts: readonly PlacedCut[];
  /** The slots they refer to, and perhaps more. */
  readonly slots: readonly { readonly sequence: number; readonly tag: string }[];
  readonly covered: number;
  readonly state: LogState;
  readonly nextCut: number;
  readonly now: number;
  /** Of the catalogue this becomes. */
  readonly version: number;
}

/** Writes the cuts into history objects, together with those of small ones before, and says what the next catalogue version holds. */
export const checkpointContent = async (
  writer: MachineWriter,
  before: Catalogue | undefined,
  { cuts, slots, covered, state, nextCut, now, version }: CheckpointContent,
): Promise<Catalogue> => {
  const history = before?.history ?? [];
  const firstCut = before?.cuts ?? 0n;
  const merged = cuts.length === 0 ? [] : historyToMerge(history, BigInt(nextCut) - firstCut);
  const parts = await Promise.all(merged.map((ref) => readHistory(writer.vault, writer.machineId, ref)));
  const refs = await createHistory(
    writer,
    {
      slots: [...parts.flatMap(({ records }) => records.slots), ...slots.map(({ sequence, tag }) => slotHead(sequence, tag))],
      cuts: [...parts.flatMap(({ records }) => records.cuts), ...cuts],
      // Only the first of all objects tells of thinning.
      generations: parts[0]?.records.generations ?? [],
      thinnedEnd: parts[0]?.records.thinnedEnd ?? 0n,
    },
    cuts.length === 0 ? firstCut : BigInt(nextCut),
    merged[0]?.firstCut ?? firstCut,
  );
  return {
    ...withoutState(before ?? create(CatalogueSchema)),
    publishedUnixMillis: BigInt(now),
    covered: BigInt(covered),
    ...stateContent(state),
    history: [...history.slice(0, history.length - merged.length), ...refs],
    cuts: BigInt(nextCut),
    tombstones: [...(before?.tombstones ?? []), ...merged.map(({ object }) => tombstoneOf(OBJECT_KIND.history, object!.id, version))],
  };
};

const withoutState = ({ head: _head, failedOver: _failedOver, ...rest }: Catalogue): Catalogue => rest;

/** What a catalogue says of the log behind the slots it covers. */
export const stateContent = ({ head, fenceTerm, failedOver }: LogState): Pick<Catalogue, 'head' | 'fenceTerm' | 'failedOver'> => ({
  ...(head.sequence >= 0 && {
    head: create(LogHeadSchema, { sequence: BigInt(head.sequence), tag: Buffer.from(head.tag, 'hex'), term: BigInt(head.term) }),
  }),
  fenceTerm: BigInt(fenceTerm),
  ...(failedOver !== undefined && { failedOver: failoverRecord(failedOver) }),
});

export const tombstoneOf = (kind: number, id: Uint8Array, version: number): Tombstone =>
  create(TombstoneSchema, { kind, id: Uint8Array.from(id), version: BigInt(version) });
