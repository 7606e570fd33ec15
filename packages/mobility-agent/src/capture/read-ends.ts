/**
 * When the reads of staged blocks ended, for those that a write may still put in doubt. What a round reads comes as extents in ascending order, and most of it
 * is let go before anybody asks for a block: those are columns, and only what is told of single blocks is a map.
 */
export interface ReadEnds {
  /** Entries there are: what they take. */
  readonly count: number;
  /** `count` blocks from `first` on were read; `time` is not earlier than any before. */
  read(first: number, count: number, time: number): void;
  /** One block, of which another time may be known: the later one counts. */
  put(block: number, time: number): void;
  get(block: number): number | undefined;
  delete(block: number): void;
  clear(): void;
}

class Ends implements ReadEnds {
  #firsts: number[] = [];
  /** Where the extents end. */
  #ends: number[] = [];
  #times: number[] = [];
  #blocks = new Map<number, number>();

  get count(): number {
    return this.#firsts.length + this.#blocks.size;
  }

  read(first: number, count: number, time: number): void {
    // A round that failed has left its reads.
    if (first < (this.#ends.at(-1) ?? 0)) this.#takeApart();
    this.#firsts.push(first);
    this.#ends.push(first + count);
    this.#times.push(time);
  }

  put(block: number, time: number): void {
    this.#blocks.set(block, Math.max(time, this.#blocks.get(block) ?? time));
  }

  get(block: number): number | undefined {
    const extent = this.#extentOf(block);
    const single = this.#blocks.get(block);
    if (extent < 0) return single;
    return Math.max(this.#times[extent]!, single ?? Number.NEGATIVE_INFINITY);
  }

  delete(block: number): void {
    if (this.#extentOf(block) >= 0) this.#takeApart();
    this.#blocks.delete(block);
  }

  clear(): void {
    this.#firsts = [];
    this.#ends = [];
    this.#times = [];
    this.#blocks = new Map();
  }

  /** The extent a block is in; -1 if there is none. */
  #extentOf(block: number): number {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firsts[middle]! <= block) low = middle + 1;
      else high = middle;
    }
    return low > 0 && block < this.#ends[low - 1]! ? low - 1 : -1;
  }

  #takeApart(): void {
    for (const [at, first] of this.#firsts.entries())
      for (let block = first; block < this.#ends[at]!; block += 1) this.put(block, this.#times[at]!);
    this.#firsts = [];
    this.#ends = [];
    this.#times = [];
  }
}

export const createReadEnds = (): ReadEnds => new Ends();
