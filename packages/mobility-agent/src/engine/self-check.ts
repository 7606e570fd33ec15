import { BLOCK_SIZE, DIGEST_SIZE, type Extent, sameKnown, ZERO_MARK } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import type { Sample } from '../capture/samples.ts';
import type { DigestReply } from '../sender/digest-queries.ts';
import { createNotice } from '../sender/notice.ts';
import type { Sender } from '../sender/sender.ts';

/** Bytes of a disk that are compared at once. */
const SAMPLE = 1024 * 1024;
/** Milliseconds between questions for a state that is not in the vault yet. */
const ASK_AGAIN = 500;
/** Milliseconds after which a question is given up: the next sample is as good. */
const PATIENCE = 60_000;

export interface SelfCheckOptions {
  readonly sender: Pick<Sender, 'askDigests'>;
  /** Ids and bytes of the disks to look at. */
  disks(): readonly { readonly id: string; readonly size: number }[];
  sample(diskId: string, range: Extent): Promise<Sample | undefined>;
  /** Milliseconds from sample to sample; 0 for none. */
  readonly interval: number;
  /** So many blocks were compared. */
  onChecked(blocks: number): void;
  /** The vault has something else than the disk, of a block that nobody wrote to. Nothing more is looked at then. */
  onDiverged(diskId: string, reason: HoldfastError): void;
  readonly signal: AbortSignal;
  /** 0 to 1. */
  random?(): number;
}

/**
 * Compares blocks that nobody wrote to with what the vault has of them, a few now and then: what a point holds can differ from the disk only if
 * something changed the disk where nobody sees it, or by a defect. Never rejects.
 */
export const checkNowAndThen = async (options: SelfCheckOptions): Promise<void> => {
  const { disks, interval, signal, random = Math.random } = options;
  if (interval === 0) return;
  const pause = createNotice();
  while (!signal.aborted) {
    await pause.wait(signal, interval * (0.5 + random()));
    const all = disks().filter(({ size }) => size > 0);
    const disk = all[Math.floor(random() * all.length)];
    if (disk === undefined || signal.aborted) continue;
    const offset = Math.floor((random() * disk.size) / SAMPLE) * SAMPLE;
    try {
      if (!(await check(options, disk.id, { offset, length: Math.min(SAMPLE, disk.size - offset) }))) return;
    } catch {
      // Whatever is wrong with disk, stream or vault is told by those who need them; here it means that there is nothing to say.
    }
  }
};

/** False when the disk is not what the vault has of it. */
const check = async (
  { sender, sample, onChecked, onDiverged, signal }: SelfCheckOptions,
  diskId: string,
  range: Extent,
): Promise<boolean> => {
  const taken = await sample(diskId, range);
  if (taken === undefined) return true;
  try {
    const reply = await ask(sender, taken, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
    // Looked at now and not before: what an epoch changed that the answer may know of is not among them any more.
    const blocks = taken.unchanged();
    if (blocks === undefined) return true;
    const first = taken.range.offset / BLOCK_SIZE;
    const judged = [...blocks].filter(([block]) => isJudged(reply.digests, block - first));
    const different = judged.filter(([block, digest]) => !sameKnown(digest, reply.digests.subarray((block - first) * DIGEST_SIZE), 0));
    onChecked(judged.length);
    if (different.length === 0) return true;
    onDiverged(diskId, diverged(different.map(([block]) => block * BLOCK_SIZE)));
    return false;
  } finally {
    taken.close();
  }
};

const ask = async (sender: SelfCheckOptions['sender'], { diskId, state, range }: Sample, signal: AbortSignal) => {
  const pause = createNotice();
  for (;;) {
    const reply: DigestReply = await sender.askDigests({ diskId, state, orNewer: true, ...range, coarse: false }, signal);
    if (reply !== 'not durable') return reply;
    await pause.wait(signal, ASK_AGAIN);
    signal.throwIfAborted();
  }
};

/** Nothing is known of some blocks; and where the vault has zeroes the block may have been discarded, and may read as anything. */
const isJudged = (digests: Uint8Array, index: number): boolean => {
  const digest = digests.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE);
  return digest.length === DIGEST_SIZE && sameKnown(digest, digest, 0) && !digest.every((byte) => byte === ZERO_MARK);
};

const diverged = (places: readonly number[]): HoldfastError =>
  new HoldfastError('DISK_DIVERGED', {
    thing: `${places.length} blocks from byte ${places[0]} on`,
    why: 'nobody wrote to them, and the vault has something else',
    remedy: 'find out what changed the disk before relying on points from before; a resynchronization follows by itself',
  });
