import { create } from '@bufbuild/protobuf';
import { type HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type SegmentRecords, SegmentRecordsSchema } from '@holdfast/protocol';
import type { CheckpointSlot } from './checkpointer.ts';
import type { Clock } from './clock.ts';
import type { Anchor } from './head.ts';
import { OBJECT_KIND } from './object-header.ts';
import { slotName } from './object-names.ts';
import { sealObject } from './sealed-object.ts';
import type { SegmentBatch } from './segment-batch.ts';
import { createSpareMemory } from './spare-memory.ts';
import { createSlot, overtaken } from './takeover.ts';
import { isOvertaken } from './terms.ts';
import type { VaultAccess } from './vault-access.ts';

/** Milliseconds between attempts: from the first, doubling, to the second. */
export const FIRST_PAUSE = 50;
export const LONGEST_PAUSE = 5000;

/** A batch on its way into the log. */
export interface Shipment {
  readonly batch: SegmentBatch;
  onDurable(anchor: Anchor, slot: CheckpointSlot): void;
  onFailed(reason: unknown): void;
}

/*
 * waiting   not sealed for a slot yet
 * creating  the store has not given a definite answer
 * created   the slot holds this segment
 * orphan    the slot holds somebody else's segment, of a writer that was fenced out
 */
interface Entry {
  readonly shipment: Shipment;
  outcome: 'waiting' | 'creating' | 'created' | 'orphan';
  sequence: number;
  bytes: Buffer;
  tag: string;
  records: SegmentRecords;
}

interface PipelineOptions {
  readonly vault: VaultAccess;
  readonly machineId: string;
  readonly term: number;
  readonly keyEpoch: number;
  readonly key: Uint8Array;
  /** The writer's fence. */
  readonly head: Anchor;
  readonly clock: Clock;
  readonly inFlight: number;
}

/**
 * Puts batches into consecutive slots, several at the same time, and reports them durable strictly in order: when all slots before are known created and
 * a look at the terms that began after that found none higher. docs/format.md, "Appending".
 */
export class SlotPipeline {
  readonly #options: PipelineOptions;
  #keyEpoch: number;
  #key: Uint8Array;
  readonly #entries: Entry[] = [];
  readonly #stop = new AbortController();
  readonly #memory = createSpareMemory();
  /** The newest durable slot. */
  #head: Anchor;
  #next: number;
  #confirming = false;
  #failure: unknown;
  #room = Promise.withResolvers<void>();

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#keyEpoch = options.keyEpoch;
    this.#key = options.key;
    this.#head = options.head;
    this.#next = options.head.sequence + 1;
  }

  get head(): Anchor {
    return this.#head;
  }

  /** Seals under another data key from now on. */
  useKey(keyEpoch: number, key: Uint8Array): void {
    this.#keyEpoch = keyEpoch;
    this.#key = key;
  }

  /** Resolves when one more batch may be submitted, or the pipeline failed. */
  async room(): Promise<void> {
    while (this.#entries.length >= this.#options.inFlight && this.#failure === undefined) await this.#room.promise;
  }

  submit(shipment: Shipment): void {
    if (this.#failure !== undefined) {
      shipment.onFailed(this.#failure);
      return;
    }
    const colliding = this.#entries.some(({ outcome }) => outcome === 'orphan');
    const entry: Entry = {
      shipment,
      outcome: 'waiting',
      sequence: -1,
      bytes: Buffer.alloc(0),
      tag: '',
      records: create(SegmentRecordsSchema),
    };
    this.#entries.push(entry);
    if (!colliding) this.#ship(entry, this.#entries.at(-2)?.tag ?? this.#head.tag);
  }

  /** Fails everything that is not durable. Requests under way are left to themselves: a store may hang for long. */
  stop(reason: HoldfastError): void {
    this.#fail(reason);
  }

  /** Seals the batch for the next number, under a new salt however often it was sealed before, and sends it. */
  #ship(entry: Entry, previousTag: string): void {
    const { vault, machineId, term, clock } = this.#options;
    vault.keys.assertOpen();
    const identity = { kind: OBJECT_KIND.segment, keyEpoch: this.#keyEpoch, vaultId: vault.id, machineId, number: this.#next, previousTag };
    const { batch } = entry.shipment;
    const records = batch.records(term, clock.now());
    const sealed = sealObject(this.#key, identity, batch.content(records), undefined, (size) => this.#memory.take(size));
    Object.assign(entry, { outcome: 'creating', sequence: this.#next, ...sealed, records });
    this.#next += 1;
    this.#create(entry).catch((reason: unknown) => this.#fail(reason));
  }

  async #create(entry: Entry): Promise<void> {
    const { vault, machineId, term } = this.#options;
    const other = await this.#untilDefinite(() => createSlot(vault, machineId, entry.sequence, entry.bytes, entry.tag));
    if (other === 'stopped') return;
    // Of the writer's own term too: a copy of this process, such as a snapshot of its machine started again, shares it.
    if (other !== undefined && other.records.term >= term) throw overtaken(machineId, term, Number(other.records.term));
    entry.outcome = other === undefined ? 'created' : 'orphan';
    this.#shipAgain();
    await this.#confirm();
  }

  /** The same request again and again until the store says something definite: a request that timed out may still take effect. */
  async #untilDefinite<T>(request: () => Promise<T>): Promise<T | 'stopped'> {
    const { signal } = this.#stop;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      if (signal.aborted) return 'stopped';
      try {
        const answer = await request();
        return signal.aborted ? 'stopped' : answer;
      } catch (reason) {
        if (!isHoldfastError(reason) || !reason.retryable) {
          this.#fail(reason);
          return 'stopped';
        }
      }
      await this.#options.clock.sleep(pause, signal);
    }
  }

  /**
   * After a collision: everything from the orphan on links to a slot that isn't there. Once every number sent is known taken, so that none of them can
   * become a gap, that is sealed again for the numbers behind.
   */
  #shipAgain(): void {
    const orphan = this.#entries.findIndex(({ outcome }) => outcome === 'orphan');
    if (orphan < 0 || this.#entries.some(({ outcome }) => outcome === 'creating')) return;
    let previousTag = this.#entries[orphan - 1]?.tag ?? this.#head.tag;
    for (const entry of this.#entries.slice(orphan)) {
      this.#ship(entry, previousTag);
      previousTag = entry.tag;
    }
  }

  async #confirm(): Promise<void> {
    if (this.#confirming) return;
    this.#confirming = true;
    const { vault, machineId, term } = this.#options;
    for (;;) {
      const open = this.#entries.findIndex(({ outcome }) => outcome !== 'created');
      const count = open < 0 ? this.#entries.length : open;
      if (count === 0) break;
      const higher = await this.#untilDefinite(() => isOvertaken(vault, machineId, term));
      if (higher === 'stopped') break;
      if (higher) {
        this.#fail(overtaken(machineId, term, term + 1));
        break;
      }
      for (const { shipment, sequence, bytes, tag, records } of this.#entries.splice(0, count)) {
        // Whatever request still carries it, of those that were given up: the name is taken.
        this.#memory.giveBack(bytes);
        this.#head = { sequence, tag, term };
        const { frameCount } = shipment.batch;
        shipment.onDurable(this.#head, { sequence, tag, records, frameCount, name: slotName(machineId, sequence) });
      }
      if (this.#entries.length === 0) this.#memory.drop();
      this.#wake();
    }
    this.#confirming = false;
  }

  #fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#stop.abort();
    for (const { shipment } of this.#entries.splice(0)) shipment.onFailed(reason);
    this.#wake();
  }

  #wake(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}
