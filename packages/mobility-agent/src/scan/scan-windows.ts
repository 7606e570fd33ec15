import { BLOCK_SIZE, DIGEST_SIZE, digestBlock } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { FramePacker } from '../frames/frame-packer.ts';
import { zeroRuns } from '../frames/zero-runs.ts';
import { CHUNK_SPAN, type DigestFile, UNREADABLE_DIGEST, ZERO_DIGEST } from './digest-file.ts';
import type { DiskWindow } from './windows.ts';

/** The digests of a chunk of what the receiver holds; undefined where nothing is known, so that everything there differs. */
export type BaseDigests = (chunk: number) => Uint8Array | undefined;

export interface Scan {
  /** What is there now; left where the scan ended. */
  readonly windows: AsyncIterator<DiskWindow, void>;
  readonly base: BaseDigests;
  /** Gets what differs from the base. */
  readonly packer: FramePacker;
  /** Gets the digests of what is there now. */
  readonly target: DigestFile;
  /** Asked after each window, with the byte it ends at: whether to end here. */
  enough?(end: number): boolean;
  readonly signal?: AbortSignal | undefined;
  onRead?(bytes: number): void;
}

/** Packs the blocks whose digests differ from the base. Tells the byte it came to and how many blocks could not be read. */
export const scanWindows = async (scan: Scan): Promise<{ readonly end: number; readonly unreadable: number }> => {
  const { windows, base, packer, target, enough, signal, onRead } = scan;
  let unreadable = 0;
  let end = 0;
  while (enough?.(end) !== true) {
    if (signal?.aborted === true) throw interrupted();
    const { done, value: window } = await windows.next();
    if (done === true) break;
    const chunk = window.offset / CHUNK_SPAN;
    const digests = digestWindow(window);
    await packDifferences(window, digests, base(chunk), packer);
    target.writeChunk(chunk, digests);
    unreadable += window.unreadable.size;
    end = window.offset + window.data.length;
    onRead?.(window.data.length);
  }
  return { end, unreadable };
};

const interrupted = (): HoldfastError =>
  new HoldfastError('INTERRUPTED', { thing: 'scan', why: 'it was stopped', remedy: 'scan again: what was committed is not read twice' });

const digestWindow = ({ data, unreadable }: DiskWindow): Uint8Array => {
  const digests = new Uint8Array(Math.ceil(data.length / BLOCK_SIZE) * DIGEST_SIZE);
  for (const run of zeroRuns(data)) {
    const first = run.at / BLOCK_SIZE;
    if (run.zero) digests.fill(ZERO_DIGEST, first * DIGEST_SIZE, (first + Math.ceil(run.length / BLOCK_SIZE)) * DIGEST_SIZE);
    else
      for (let at = run.at; at < run.at + run.length; at += BLOCK_SIZE)
        digestBlock(data.subarray(at, Math.min(at + BLOCK_SIZE, data.length)), digests, (at / BLOCK_SIZE) * DIGEST_SIZE);
  }
  for (const { first, count } of unreadable.runs()) digests.fill(UNREADABLE_DIGEST, first * DIGEST_SIZE, (first + count) * DIGEST_SIZE);
  return digests;
};

const packDifferences = async (
  { offset, data, unreadable }: DiskWindow,
  digests: Uint8Array,
  base: Uint8Array | undefined,
  packer: FramePacker,
): Promise<void> => {
  const blocks = digests.length / DIGEST_SIZE;
  const differs = (block: number): boolean => {
    const at = block * DIGEST_SIZE;
    return base === undefined || Buffer.compare(digests.subarray(at, at + DIGEST_SIZE), base.subarray(at, at + DIGEST_SIZE)) !== 0;
  };
  for (let first = 0; first < blocks; ) {
    if (!differs(first)) {
      first += 1;
      continue;
    }
    const isUnreadable = unreadable.has(first);
    let end = first + 1;
    while (end < blocks && differs(end) && unreadable.has(end) === isUnreadable) end += 1;
    const at = first * BLOCK_SIZE;
    const part = data.subarray(at, Math.min(end * BLOCK_SIZE, data.length));
    if (isUnreadable) await packer.addUnreadable(offset + at, part.length);
    else await packer.add(offset + at, part, digests.subarray(first * DIGEST_SIZE, end * DIGEST_SIZE));
    first = end;
  }
};
