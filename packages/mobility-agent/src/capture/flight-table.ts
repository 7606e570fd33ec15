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
  requeued(disk: number, offset: number, length: number): void;
  /** Tells when the completed write was issued; -Infinity when its issue has not been seen (yet). */
  completed(disk: number, offset: number, length: number, time: number): number;
  readonly size: number;
  writes(): IterableIterator<WriteInFlight>;
  /** Forgets writes of `disk` issued before `time`, after it was proven that none of them is in flight any more. */
  forget(disk: number, time: number): void;
  /** Forgets completions told before `time` whose issue never came: writes from before the trace began. */
  forgetUnmatched(time: number): void;
}

/** Writes in flight that begin at one byte of one disk. Nearly always exactly one. */
interface Slot {
  issued: number;
  readonly lengths: number[];
  /** How many of them the driver has put back, to be issued again. */
  requeued: number;
}

/** Slots that are kept to be used again: more than any disk has writes at the same time. */
const SPARE = 4096;

interface Unmatched {
  length: number;
  time: number;
}

/** Offsets are multiples of 512 bytes and disks fewer than 512: one number names both. */
const keyOf = (disk: number, offset: number): number => offset + disk;
const diskOf = (key: number): number => key % 512;

class FlightTableImpl implements FlightTable {
  readonly #slots = new Map<number, Slot>();
  /** Of writes that have completed, to be used again: hundreds of thousands come and go in a second. */
  readonly #spare: Slot[] = [];
  readonly #unmatched = new Map<number, Unmatched[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  issued(disk: number, offset: number, length: number, time: number): void {
    const key = keyOf(disk, offset);
    if (this.#unmatched.size > 0 && this.#matchEarlierCompletion(key, length, time)) return;
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.#slots.set(key, this.#newSlot(time, length));
    } else if (slot.requeued > 0 && slot.lengths.includes(length)) {
      slot.requeued -= 1;
      return;
    } else {
      slot.issued = Math.min(slot.issued, time);
      slot.lengths.push(length);
    }
    this.#size += 1;
  }

  requeued(disk: number, offset: number, length: number): void {
    const slot = this.#slots.get(keyOf(disk, offset));
    if (slot?.lengths.includes(length)) slot.requeued = Math.min(slot.requeued + 1, slot.lengths.length);
  }

  completed(disk: number, offset: number, length: number, time: number): number {
    const key = keyOf(disk, offset);
    const slot = this.#slots.get(key);
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
    if (slot.lengths.length === 1) slot.lengths.pop();
    else slot.lengths.splice(index, 1);
    slot.requeued = Math.min(slot.requeued, slot.lengths.length);
    this.#size -= 1;
    if (slot.lengths.length === 0) {
      this.#slots.delete(key);
      if (this.#spare.length < SPARE) this.#spare.push(slot);
    }
    if (rest > 0) this.issued(disk, offset + length, rest, issued);
    return issued;
  }

  #newSlot(issued: number, length: number): Slot {
    const slot = this.#spare.pop();
    if (slot === undefined) return { issued, lengths: [length], requeued: 0 };
    slot.issued = issued;
    slot.lengths.push(length);
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
    for (const [key, slot] of this.#slots) {
      const disk = diskOf(key);
      for (const length of slot.lengths) yield { disk, offset: key - disk, length, issued: slot.issued };
    }
  }

  forget(disk: number, time: number): void {
    for (const [key, slot] of this.#slots) {
      if (diskOf(key) !== disk || slot.issued >= time) continue;
      this.#size -= slot.lengths.length;
      this.#slots.delete(key);
    }
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
