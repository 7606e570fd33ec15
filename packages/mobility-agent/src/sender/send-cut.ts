import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { giveBack } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type CutContent, type PartialCut, ReplicateRequestSchema, type ReplicationStream } from '@holdfast/protocol';
import type { Allowance } from './allowance.ts';

/** Bytes of payload a message is filled up to: the knee of CPU time per byte. */
const PAYLOAD_TARGET = 1024 * 1024;
/** The length in front of each frame. */
const PREFIX = 4;

export type Request = NonNullable<MessageInitShape<typeof ReplicateRequestSchema>['message']>;

export interface SendCutOptions {
  readonly stream: ReplicationStream;
  readonly allowance: Allowance;
  /** Ends the waits for credit and pace; what is thrown then is its reason. */
  readonly signal: AbortSignal;
  /** Somebody waits until it is durable. */
  readonly awaited?: boolean;
  /** What has no frames goes whole in one message. */
  readonly brief?: boolean;
  /** So many bytes of payload were handed to the transport. */
  onSent(bytes: number): void;
}

export const request = (message: Request) => create(ReplicateRequestSchema, { message });

/** The frames the server has of each epoch already; PROTOCOL_VIOLATION when that cannot be. */
const framesToSkip = ({ cut }: CutContent, partial: PartialCut | undefined): readonly number[] => {
  if (partial === undefined) return cut.epochs.map(() => 0);
  const fits =
    partial.frames.length === cut.epochs.length && partial.frames.every((count, index) => count <= cut.epochs[index]!.frameCount);
  if (fits) return partial.frames.map(Number);
  throw new HoldfastError('PROTOCOL_VIOLATION', {
    thing: 'the process server',
    why: 'it counts more frames of a cut than the cut has',
    remedy: 'use versions of both sides that fit together',
  });
};

/** Bytes of payload that all frames of the cut take; 0 for a cut of before it was noted. */
const payloadBytes = ({ cut }: CutContent): bigint =>
  cut.epochs.some(({ storedBytes, frameCount }) => storedBytes === 0n && frameCount > 0n)
    ? 0n
    : cut.epochs.reduce((sum, { storedBytes, frameCount }) => sum + storedBytes + frameCount * BigInt(PREFIX), 0n);

/**
 * Sends one cut, from its beginning or behind what the server has of it. Never more than was granted, never faster than asked for; each
 * message takes as many frames as fit.
 */
export const sendCut = async (content: CutContent, partial: PartialCut | undefined, options: SendCutOptions): Promise<void> => {
  const { stream, allowance, signal, awaited = false, brief = false, onSent } = options;
  const { cut } = content;
  const skips = framesToSkip(content, partial);
  if (!brief || cut.epochs.some(({ frameCount }) => frameCount > 0n)) {
    const epochs = cut.epochs.map(({ diskId, generationId, number }) => ({ diskId, generationId, number }));
    await stream.send(request({ case: 'cutBegin', value: { cutId: cut.id, epochs, bytes: payloadBytes(content) } }));
  }

  for (const [index, skip] of skips.entries()) {
    let batch: Uint8Array[] = [];
    let bytes = 0;
    let first = skip;
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      await allowance.paced(signal);
      signal.throwIfAborted();
      allowance.spend(bytes);
      onSent(bytes);
      const frames = batch;
      const at = first;
      first += batch.length;
      batch = [];
      bytes = 0;
      await stream.sendFrames(index, at, frames, content.handsOver === true ? () => giveBack(...frames) : undefined);
    };
    if (skip === Number(cut.epochs[index]!.frameCount)) continue;
    let number = 0;
    for await (const frame of content.frames(index)) {
      number += 1;
      if (number <= skip) continue;
      const size = PREFIX + frame.length;
      if (bytes + size > Math.min(PAYLOAD_TARGET, allowance.burst) || bytes + size > allowance.credit) await flush();
      await allowance.granted(size, signal);
      signal.throwIfAborted();
      batch.push(frame);
      bytes += size;
    }
    await flush();
  }
  await stream.send(request({ case: 'cutEnd', value: { cut, awaited } }));
};
