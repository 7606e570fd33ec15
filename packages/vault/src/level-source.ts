import { parseFrame } from '@holdfast/block';
import { idText, type PartRef, RunRecordsSchema, type RunRef } from '@holdfast/protocol';
import { ByteCache } from './byte-cache.ts';
import { type CutRange, isOnPath } from './cut-range.ts';
import { damaged } from './damage.ts';
import { decodeLazily, describeExtents } from './decode-frame.ts';
import type { FrameHandle, FrameStore } from './frame-reader.ts';
import { frameThreads } from './frame-threads.ts';
import { OBJECT_KIND } from './object-header.ts';
import { decodePartIndex, firstEntryBehind, type PartEntry, type PartIndex, partIndexSize } from './part-index.ts';
import { decodeRecords } from './read-object.ts';
import { isReference, readReferenced } from './referenced-object.ts';
import type { VaultAccess } from './vault-access.ts';

/** Bytes of part indexes kept in memory, for all views of a machine together; others are read again when they are needed. */
const INDEX_CACHE = 64 * 1024 * 1024;

/** Bytes asked for at once at most because the part before had so long a head; that of one with as many entries as there may be. */
const LIKELY_LIMIT = 5 * 1024 * 1024;

/** A part of a run, opened. */
export interface OpenPart extends FrameStore {
  readonly index: PartIndex;
  readonly handle: FrameHandle;
}

/** A run as readers see it: which parts it has. */
export interface OpenRun {
  readonly ref: RunRef;
  readonly parts: readonly PartRef[];
}

/** What lies below the tail of a machine's log: runs, their parts and the indexes of those, read when they are needed. */
export class LevelSource {
  readonly #vault: VaultAccess;
  readonly #machineId: string;
  readonly #runs = new Map<string, Promise<OpenRun>>();
  readonly #parts = new ByteCache<string, OpenPart>(INDEX_CACHE);
  /** Bytes of the head of the part that was read last: the next one will hardly be longer. */
  #likely = 0;

  constructor(vault: VaultAccess, machineId: string) {
    this.#vault = vault;
    this.#machineId = machineId;
  }

  /** Errors: DAMAGED. */
  run(ref: RunRef): Promise<OpenRun> {
    const id = idText(ref.object!.id);
    const known = this.#runs.get(id);
    if (known !== undefined) return known;
    const opened = this.#openRun(ref);
    this.#runs.set(id, opened);
    opened.catch(() => this.#runs.delete(id));
    return opened;
  }

  /** Errors: DAMAGED. */
  part({ object }: PartRef): Promise<OpenPart> {
    const id = idText(object!.id);
    return this.#parts.get(id, async () => {
      const { head, name } = await readReferenced(this.#vault, this.#machineId, OBJECT_KIND.part, object, this.#likely);
      this.#likely = Math.min(head.framesAt, LIKELY_LIMIT);
      const index = decodePartIndex(head.index, head.header, head.framesAt, name);
      const handle: FrameHandle = { key: id, open: () => this.part({ object } as PartRef) };
      const { store } = this.#vault;
      const { openFrame, frameKeys } = head;
      const value: OpenPart = {
        name,
        index,
        handle,
        readSealed: async (first, count) => {
          const start = index.positions[first]!;
          const sealed = await store.read(name, { offset: start, length: index.positions[first + count]! - start });
          return Array.from({ length: count }, (_, i) =>
            sealed.subarray(index.positions[first + i]! - start, index.positions[first + i + 1]! - start),
          );
        },
        decode: (frame, sealed, alone) => decodeLazily(openFrame, frame, sealed, alone),
        fill: (first, sealed, fill) => frameThreads.fill(frameKeys, first, sealed, fill),
        decodeSeveral: (first, sealed) => frameThreads.open(frameKeys, first, sealed),
        parse: (frame, sealed) => parseFrame(openFrame(frame, sealed)),
        describe: (frame) => describeExtents([...entriesOf(index)].filter((entry) => entry.kind === 0 && entry.frame === frame)),
      };
      return { value, size: partIndexSize(index) };
    });
  }

  async #openRun(ref: RunRef): Promise<OpenRun> {
    const { head, name } = await readReferenced(this.#vault, this.#machineId, OBJECT_KIND.run, ref.object);
    const { parts, diskId } = decodeRecords(RunRecordsSchema, head, name);
    const inOrder = parts.every(
      ({ start, end, object }, i) =>
        isReference(object) && start < end && end <= BigInt(Number.MAX_SAFE_INTEGER) && (i === 0 || parts[i - 1]!.end <= start),
    );
    if (!inOrder || idText(diskId) !== idText(ref.diskId)) throw damaged(name, 'its parts are out of order, or of another disk');
    return { ref, parts };
  }
}

/** The parts of a run that tell of bytes between two offsets, ascending. */
export const partsBetween = ({ parts }: OpenRun, start: number, end: number): PartRef[] => {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Number(parts[middle]!.end) > start) high = middle;
    else low = middle + 1;
  }
  const found: PartRef[] = [];
  for (let part = low; part < parts.length && Number(parts[part]!.start) < end; part += 1) found.push(parts[part]!);
  return found;
};

/** The numbers of the entries that tell of bytes between two offsets at the end of a path: of several versions the newest on it. */
export function* versionsBetween(index: PartIndex, start: number, end: number, path: readonly CutRange[]): Generator<number> {
  const { offsets, cuts, count } = index;
  let found = -1;
  for (let entry = firstEntryBehind(index, start); entry < count && offsets[entry]! < end; entry += 1) {
    if (offsets[entry] === found || !isOnPath(path, cuts[entry]!)) continue;
    found = offsets[entry]!;
    yield entry;
  }
}

export function* entriesOf({ count, offsets, lengths, kinds, cuts, frames, places }: PartIndex): Generator<PartEntry> {
  for (let entry = 0; entry < count; entry += 1)
    yield {
      offset: offsets[entry]!,
      length: lengths[entry]!,
      kind: kinds[entry]!,
      cut: cuts[entry]!,
      frame: frames[entry]!,
      position: places[entry]!,
    };
}
