/** No key: keys are not negative. */
const NONE = -1;
const FIRST_BITS = 10;
const FIRST_SIZE = 2 ** FIRST_BITS;

/**
 * Writes in flight by a number that names where they begin, one for each. Made of columns, hashed with open addressing: hundreds of
 * thousands of writes come and go in a second, and what a map of objects leaves behind would keep the collector busy and the caches dirty.
 */
export class LoneWrites {
  count = 0;
  keys = new Float64Array(FIRST_SIZE).fill(NONE);
  lengths = new Float64Array(FIRST_SIZE);
  issued = new Float64Array(FIRST_SIZE);
  /** Leaves as many bits of a hash as name a place. */
  #shift = 32 - FIRST_BITS;

  /** Place of a key in the columns; -1 if it is not there. */
  find(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    for (let at = homeOf(key, this.#shift); ; at = (at + 1) & mask) {
      const found = keys[at]!;
      if (found === key) return at;
      if (found === NONE) return -1;
    }
  }

  /** Adds a key that is not there. */
  add(key: number, length: number, issued: number): void {
    if (this.count * 2 >= this.keys.length) this.#grow();
    this.#put(key, length, issued);
    this.count += 1;
  }

  /** Removes what is at a place; others may change theirs. */
  removeAt(place: number): void {
    const { keys, lengths, issued } = this;
    const mask = keys.length - 1;
    let hole = place;
    // Whoever would be sought past the hole moves into it.
    for (let at = (hole + 1) & mask; keys[at] !== NONE; at = (at + 1) & mask) {
      const home = homeOf(keys[at]!, this.#shift);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      keys[hole] = keys[at]!;
      lengths[hole] = lengths[at]!;
      issued[hole] = issued[at]!;
      hole = at;
    }
    keys[hole] = NONE;
    this.count -= 1;
  }

  /** Places that are taken, as they are now. */
  places(): number[] {
    const places: number[] = [];
    for (let at = 0; at < this.keys.length; at += 1) if (this.keys[at] !== NONE) places.push(at);
    return places;
  }

  #put(key: number, length: number, issued: number): void {
    const mask = this.keys.length - 1;
    let at = homeOf(key, this.#shift);
    while (this.keys[at] !== NONE) at = (at + 1) & mask;
    this.keys[at] = key;
    this.lengths[at] = length;
    this.issued[at] = issued;
  }

  #grow(): void {
    const { keys, lengths, issued } = this;
    this.keys = new Float64Array(keys.length * 2).fill(NONE);
    this.lengths = new Float64Array(keys.length * 2);
    this.issued = new Float64Array(keys.length * 2);
    this.#shift -= 1;
    for (let at = 0; at < keys.length; at += 1) if (keys[at] !== NONE) this.#put(keys[at]!, lengths[at]!, issued[at]!);
  }
}

/** Fibonacci hashing of both halves: the upper bits are those that all others have a part in. */
const homeOf = (key: number, shift: number): number => {
  const low = key >>> 0;
  const high = (key / 2 ** 32) >>> 0;
  return Math.imul(low ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1) >>> shift;
};
