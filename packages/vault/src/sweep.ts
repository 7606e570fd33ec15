/*
 * Puts versions of a disk's bytes side by side: out of extents that overlap in any way it makes ranges that don't, each with the versions of it that
 * somebody can still see.
 */

/** A version of some bytes, from any place. */
export interface Version {
  readonly start: number;
  readonly end: number;
  /** The cut it was changed by. */
  readonly cut: number;
  /** Of versions of one cut the one of higher order hides the other. */
  readonly order: number;
}

/** A range of a disk and its versions, newest first. */
export interface VersionGroup<Item extends Version> {
  readonly start: number;
  readonly end: number;
  readonly versions: readonly Item[];
}

/**
 * Which kept state a version of a cut belongs to: the first one that sees it. Versions of one state hide each other, so that the newest of them is all
 * that is needed; a version of no state is seen by nobody. States are numbered in the order of their cuts.
 */
export type StateOf = (cut: number) => number | undefined;

/** Goes through versions in the order of their starts. */
export async function* sweep<Item extends Version>(
  versions: AsyncIterable<Item> | Iterable<Item>,
  stateOf: StateOf,
): AsyncGenerator<VersionGroup<Item>> {
  let active: Item[] = [];
  let open: { start: number; end: number; versions: readonly Item[] } | undefined;
  let at = 0;
  /** Everything up to `until` is known: gives out what lies before. */
  function* advance(until: number): Generator<VersionGroup<Item>> {
    while (active.length > 0 && at < until) {
      const next = active.reduce((nearest, { end }) => Math.min(nearest, end), until);
      const seen = visible(active, stateOf);
      if (open !== undefined && open.end === at && sameItems(open.versions, seen)) open.end = next;
      else {
        if (open !== undefined && open.versions.length > 0) yield open;
        open = { start: at, end: next, versions: seen };
      }
      at = next;
      active = active.filter(({ end }) => end > at);
    }
    at = until;
  }
  for await (const version of versions) {
    yield* advance(version.start);
    active.push(version);
  }
  yield* advance(active.reduce((last, { end }) => Math.max(last, end), at));
  if (open !== undefined && open.versions.length > 0) yield open;
}

const visible = <Item extends Version>(active: readonly Item[], stateOf: StateOf): Item[] => {
  if (active.length === 1) return stateOf(active[0]!.cut) === undefined ? [] : [...active];
  const newest = new Map<number, Item>();
  for (const item of active) {
    const state = stateOf(item.cut);
    if (state === undefined) continue;
    const other = newest.get(state);
    if (other === undefined || item.cut > other.cut || (item.cut === other.cut && item.order > other.order)) newest.set(state, item);
  }
  return [...newest.values()].sort((a, b) => b.cut - a.cut);
};

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((item, i) => item === b[i]);

/** Several ordered sources as one. */
export async function* mergeByStart<Item extends Version>(sources: readonly AsyncIterable<Item>[]): AsyncGenerator<Item> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
  for (;;) {
    let first = -1;
    for (const [i, { done, value }] of heads.entries())
      if (done !== true && (first < 0 || value.start < heads[first]!.value.start)) first = i;
    if (first < 0) return;
    yield heads[first]!.value;
    heads[first] = await iterators[first]!.next();
  }
}
