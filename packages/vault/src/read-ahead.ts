import { type FrameReader, keyOf } from './frame-reader.ts';
import type { PlacedVersion } from './part-writer.ts';
import { EXTENT_KIND } from './segment-index.ts';
import type { VersionGroup } from './sweep.ts';

/** Frames read at once: neighbours come in one request, and threads open them. */
const FRAMES = 32;
/** Groups that wait at most, where frames are shared by many. */
const GROUPS = 16_384;

type Group = VersionGroup<PlacedVersion>;

interface Batch {
  readonly groups: readonly Group[];
  readonly read: Promise<unknown>;
}

/** The same groups; the frames of the next ones are read while somebody is at work on these. What fails is told by who reads it for himself. */
export async function* readAhead(groups: AsyncIterable<Group>, frames: FrameReader): AsyncGenerator<Group> {
  const batches = batchesOf(groups, frames);
  try {
    let next = batches.next();
    for (;;) {
      const { value: batch, done } = await next;
      if (done === true) return;
      next = batches.next();
      // Nobody may come to wait for it.
      next.catch(() => {});
      await batch.read;
      yield* batch.groups;
    }
  } finally {
    await batches.return(undefined);
  }
}

async function* batchesOf(groups: AsyncIterable<Group>, frames: FrameReader): AsyncGenerator<Batch> {
  let waiting: Group[] = [];
  let wanted = new Map<string, PlacedVersion>();
  const flush = (): Batch => {
    const addresses = [...wanted.values()].sort((a, b) => compare(a.handle.key, b.handle.key) || a.frame - b.frame);
    const batch = { groups: waiting, read: frames.read(addresses).catch(() => {}) };
    waiting = [];
    wanted = new Map();
    return batch;
  };
  for await (const group of groups) {
    waiting.push(group);
    for (const version of group.versions) if (version.kind === EXTENT_KIND.data) wanted.set(keyOf(version), version);
    if (wanted.size >= FRAMES || waiting.length >= GROUPS) yield flush();
  }
  if (waiting.length > 0) yield flush();
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
