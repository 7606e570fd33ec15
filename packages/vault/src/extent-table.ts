import { EXTENT_KIND } from './segment-index.ts';

/** Extents of a disk in the order they were written, in a few growing typed arrays: no object per extent. */
export class ExtentTable {
  #count = 0;
  starts = new Float64Array(1024);
  ends = new Float64Array(1024);
  kinds = new Uint8Array(1024);
  /** Which frame holds the data, by the caller's numbering. */
  frames = new Uint32Array(1024);
  /** Where in the decoded frame the data begins. */
  positions = new Uint32Array(1024);

  get count(): number {
    return this.#count;
  }

  push(start: number, end: number, kind: number, frame: number, position: number): void {
    if (this.#count === this.starts.length) this.#grow();
    this.starts[this.#count] = start;
    this.ends[this.#count] = end;
    this.kinds[this.#count] = kind;
    this.frames[this.#count] = frame;
    this.positions[this.#count] = position;
    this.#count += 1;
  }

  #grow(): void {
    this.starts = doubled(this.starts);
    this.ends = doubled(this.ends);
    this.kinds = doubled(this.kinds);
    this.frames = doubled(this.frames);
    this.positions = doubled(this.positions);
  }
}

/** The pieces of a disk that hold something, sorted, not overlapping: what `flatten` makes of a table. */
export type ExtentMap = Pick<ExtentTable, 'count' | 'starts' | 'ends' | 'kinds' | 'frames' | 'positions'>;

/**
 * What a disk of `size` bytes holds after all extents of a table were written one after the other: a later one hides an earlier one. Pieces that read
 * as zeroes are left out, unless something lies below that they hide.
 */
export const flatten = (table: ExtentTable, size: number, keepZeroes = false): ExtentMap => {
  const { starts, ends, kinds, frames, positions } = table;
  const sorted = sortByStart(starts, table.count);
  const pieces = new ExtentTable();
  const active = new NewestFirst();
  let at = 0;
  let next = 0;
  while (next < sorted.length || active.size > 0) {
    if (active.size === 0) at = starts[sorted[next]!]!;
    if (at >= size) break;
    for (; next < sorted.length && starts[sorted[next]!]! <= at; next += 1) active.push(sorted[next]!);
    while (active.size > 0 && ends[active.newest]! <= at) active.pop();
    if (active.size === 0) continue;
    const extent = active.newest;
    const until = Math.min(ends[extent]!, next < sorted.length ? starts[sorted[next]!]! : size, size);
    if (keepZeroes || kinds[extent] !== EXTENT_KIND.zero) {
      const position = positions[extent]! + (at - starts[extent]!);
      const last = pieces.count - 1;
      const continues =
        last >= 0 && pieces.ends[last] === at && pieces.frames[last] === frames[extent] && kinds[extent] === pieces.kinds[last];
      if (continues && pieces.positions[last]! + at - pieces.starts[last]! === position) pieces.ends[last] = until;
      else pieces.push(at, until, kinds[extent]!, frames[extent]!, position);
    }
    at = until;
  }
  return pieces;
};

/** The first piece that ends behind `offset`; `count` when there is none. */
export const firstPieceBehind = ({ ends, count }: ExtentMap, offset: number): number => {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! > offset) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** The numbers of the extents by ascending start, those of equal start in their order: a radix sort, which needs no comparisons. */
const sortByStart = (starts: Float64Array, count: number): Uint32Array => {
  let sorted = Uint32Array.from({ length: count }, (_, extent) => extent);
  let other = new Uint32Array(count);
  let largest = 0;
  for (let extent = 0; extent < count; extent += 1) largest = Math.max(largest, starts[extent]!);
  for (let unit = 1; unit <= largest; unit *= DIGIT) {
    const places = new Uint32Array(DIGIT + 1);
    for (let extent = 0; extent < count; extent += 1) places[digitOf(starts[extent]!, unit) + 1]! += 1;
    for (let digit = 0; digit < DIGIT; digit += 1) places[digit + 1]! += places[digit]!;
    for (const extent of sorted) {
      const digit = digitOf(starts[extent]!, unit);
      other[places[digit]!] = extent;
      places[digit]! += 1;
    }
    [sorted, other] = [other, sorted];
  }
  return sorted;
};

const DIGIT = 2 ** 16;
const digitOf = (start: number, unit: number): number => Math.floor(start / unit) % DIGIT;

/** A heap of extent numbers that knows the highest: extents are numbered in the order they were written. */
class NewestFirst {
  readonly #heap: number[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get newest(): number {
    return this.#heap[0]!;
  }

  push(extent: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(extent);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent]! >= extent) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = extent;
  }

  pop(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! > heap[child]!) child += 1;
      if (heap[child]! <= moved) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
  }
}

const doubled = <Column extends Float64Array | Uint32Array | Uint8Array>(column: Column): Column => {
  const larger = new (column.constructor as new (length: number) => Column)(column.length * 2);
  larger.set(column);
  return larger;
};
