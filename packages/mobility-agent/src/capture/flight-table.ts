import { LoneWrites } from './lone-writes.ts';

/** A write that was handed to the device and, as far as was seen, has not completed. */
export interface WriteInFlight {
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
  /** When it was issued, or earlier: never later than the truth. */
  readonly issued: number;
}

/**
 * The writes in flight, from events that arrive CPU by CPU: a completion may be told before the issue it belongs to. Times only ever err
 * towards "issued earlier", so that whoever asks "can this read have seen a part of that write?" is never told no by mistake.
 */
export interface FlightTable {
  issued(disk: number, offset: number, length: number, time: number): void;
  /** What was put back without having been issued, as far as was seen, was issued at `ISSUED_UNSEEN`. */
  requeued(disk: number, offset: number, length: number, time: number): void;
  /** Tells when the completed write was issued; -Infinity when its issue has not been seen (yet). */
  completed(disk: number, offset: number, length: number, time: number): number;
  /** Takes the write that completed out, if it is there; for times in which issues are not told of. */
  ended(disk: number, offset: number, length: number, time: number): void;
  readonly size: number;
  writes(): IterableIterator<WriteInFlight>;
  /**
   * Forgets writes of `disk` issued before `time`, after it was seen that none of them is at the device any more, but not those that the driver has put
   * back at `putBack` or later.
   */
  forget(disk: number, time: number, putBack: number): void;
  /** Forgets writes of `disk`, and completions of which the issue has not come, but for what the driver has put back: of that only this table knows. */
  forgetIssued(disk: number): void;
  /** Forgets completions told before `time` whose issue never came: writes from before the trace began. */
  forgetUnmatched(time: number): void;
}

/** Writes in flight that begin at one byte of one disk, where that is more than one or the driver has put some back. */
interface Slot {
  issued: number;
  readonly lengths: number[];
  /** How many of them the driver has put back, to be issued again, */
  requeued: number;
  /** and when it did so last. */
  putBack: number;
}

interface Unmatched {
  length: number;
  time: number;
}

/** Offsets are multiples of 512 bytes and disks fewer than 512: one number names both. */
const keyOf = (disk: number, offset: number): number => offset + disk;
const diskOf = (key: number): number => key % 512;

/** Before any read: times are counted from when the trace was opened. */
export const ISSUED_UNSEEN = 0;

const toldOf = (key: number, length: number, issued: number): WriteInFlight => ({
  disk: diskOf(key),
  offset: key - diskOf(key),
  length,
  issued,
});

class FlightTableImpl implements FlightTable {
  /** Nearly all; a place is never in both. */
  readonly #alone = new LoneWrites();
  readonly #slots = new Map<number, Slot>();
  readonly #unmatched = new Map<number, Unmatched[]>();
  #inSlots = 0;

  get size(): number {
    return this.#alone.count + this.#inSlots;
  }

  issued(disk: number, offset: number, length: number, time: number): void {
    const key = keyOf(disk, offset);
    if (this.#unmatched.size > 0 && this.#matchEarlierCompletion(key, length, time)) return;
    this.#add(key, length, time);
  }

  #add(key: number, length: number, time: number): void {
    if (this.#alone.find(key) < 0 && (this.#slots.size === 0 || !this.#slots.has(key))) {
      this.#alone.add(key, length, time);
      return;
    }
    const slot = this.#slotOf(key)!;
    if (slot.requeued > 0 && slot.lengths.includes(length)) {
      slot.requeued -= 1;
      return;
    }
    slot.issued = Math.min(slot.issued, time);
    slot.lengths.push(length);
    this.#inSlots += 1;
  }

  requeued(disk: number, offset: number, length: number, time: number): void {
    const key = keyOf(disk, offset);
    if (this.#slotOf(key)?.lengths.includes(length) !== true) this.#add(key, length, ISSUED_UNSEEN);
    const slot = this.#slotOf(key)!;
    slot.requeued = Math.min(slot.requeued + 1, slot.lengths.length);
    slot.putBack = time;
  }

  ended(disk: number, offset: number, length: number, time: number): void {
    const key = keyOf(disk, offset);
    if (this.#slots.has(key) || this.#alone.find(key) >= 0) this.completed(disk, offset, length, time);
  }

  completed(disk: number, offset: number, length: number, time: number): number {
    const key = keyOf(disk, offset);
    const alone = this.#alone;
    const at = alone.find(key);
    if (at >= 0) {
      const issued = alone.issued[at]!;
      const rest = alone.lengths[at]! - length;
      alone.removeAt(at);
      if (rest > 0) this.issued(disk, offset + length, rest, issued);
      return issued;
    }
    const slot = this.#slots.size === 0 ? undefined : this.#slots.get(key);
    if (slot === undefined) {
      const others = this.#unmatched.get(key);
      if (others === undefined) this.#unmatched.set(key, [{ length, time }]);
      else others.push({ length, time });
      return Number.NEGATIVE_INFINITY;
    }
    let index = slot.lengths.indexOf(length);
    let rest = 0;
    if (index < 0) {
      // A part of a longer request: what is left of it goes on behind.
      index = slot.lengths.indexOf(Math.max(...slot.lengths));
      rest = Math.max(0, slot.lengths[index]! - length);
    }
    const { issued } = slot;
    slot.lengths.splice(index, 1);
    slot.requeued = Math.min(slot.requeued, slot.lengths.length);
    this.#inSlots -= 1;
    if (slot.lengths.length === 0) this.#slots.delete(key);
    if (rest > 0) this.issued(disk, offset + length, rest, issued);
    return issued;
  }

  /** The slot of a place; a write that is alone there gets one. */
  #slotOf(key: number): Slot | undefined {
    const at = this.#alone.find(key);
    if (at < 0) return this.#slots.get(key);
    const slot = { issued: this.#alone.issued[at]!, lengths: [this.#alone.lengths[at]!], requeued: 0, putBack: Number.NEGATIVE_INFINITY };
    this.#alone.removeAt(at);
    this.#slots.set(key, slot);
    this.#inSlots += 1;
    return slot;
  }

  #matchEarlierCompletion(key: number, length: number, time: number): boolean {
    const candidates = this.#unmatched.get(key);
    const index = candidates?.findIndex((one) => one.length === length && one.time >= time) ?? -1;
    if (candidates === undefined || index < 0) return false;
    candidates.splice(index, 1);
    if (candidates.length === 0) this.#unmatched.delete(key);
    return true;
  }

  *writes(): IterableIterator<WriteInFlight> {
    const { keys, lengths, issued } = this.#alone;
    for (const at of this.#alone.places()) yield toldOf(keys[at]!, lengths[at]!, issued[at]!);
    for (const [key, slot] of this.#slots) for (const length of slot.lengths) yield toldOf(key, length, slot.issued);
  }

  forget(disk: number, time: number, putBack: number): void {
    const { keys, issued } = this.#alone;
    const over = this.#alone.places().filter((at) => diskOf(keys[at]!) === disk && issued[at]! < time);
    for (const key of over.map((at) => keys[at]!)) this.#alone.removeAt(this.#alone.find(key));
    for (const [key, slot] of this.#slots) {
      if (diskOf(key) !== disk || slot.issued >= time || (slot.requeued > 0 && slot.putBack >= putBack)) continue;
      this.#inSlots -= slot.lengths.length;
      this.#slots.delete(key);
    }
  }

  forgetIssued(disk: number): void {
    const { keys } = this.#alone;
    const alone = this.#alone.places().map((at) => keys[at]!);
    for (const key of alone) if (diskOf(key) === disk) this.#alone.removeAt(this.#alone.find(key));
    for (const [key, { requeued, lengths }] of this.#slots) {
      if (diskOf(key) !== disk || requeued > 0) continue;
      this.#inSlots -= lengths.length;
      this.#slots.delete(key);
    }
    for (const key of this.#unmatched.keys()) if (diskOf(key) === disk) this.#unmatched.delete(key);
  }

  forgetUnmatched(time: number): void {
    for (const [key, completions] of this.#unmatched) {
      const kept = completions.filter((one) => one.time >= time);
      if (kept.length === 0) this.#unmatched.delete(key);
      else this.#unmatched.set(key, kept);
    }
  }
}

export const createFlightTable = (): FlightTable => new FlightTableImpl();
