import type { Extent } from '@holdfast/block';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { BaseDigests } from '../capture/comparison.ts';
import type { DiskStateRef } from '../hrl/hrl.ts';
import { createNotice } from '../sender/notice.ts';
import type { Sender } from '../sender/sender.ts';

/** Milliseconds between questions for a state that is not in the vault yet. */
const ASK_AGAIN = 500;
/** Milliseconds after which a state that is not on its way any more is not waited for. */
const PATIENCE = 30_000;
/** Waits after answers that the vault cannot be read, milliseconds; after the last one it is believed. */
const RETRIES = [1000, 4000, 15_000];

export interface VaultDigestsOptions {
  readonly sender: Pick<Sender, 'askDigests'>;
  /** True while the state is on its way into the vault. */
  isHeld(diskId: string, state: DiskStateRef): boolean;
  /** Shortens the waits, for tests. */
  readonly haste?: number;
}

/** What the vault has of a disk, as the process server tells; the server may come and go meanwhile. */
export const createVaultDigests = ({ sender, isHeld, haste = 1 }: VaultDigestsOptions) => {
  const pause = (milliseconds: number, signal: AbortSignal): Promise<void> => createNotice().wait(signal, milliseconds / haste);

  return (diskId: string, state: DiskStateRef): BaseDigests => {
    const askOnce = async (range: Extent, coarse: boolean, signal: AbortSignal) => {
      for (let waited = 0; ; waited += ASK_AGAIN) {
        const reply = await sender.askDigests({ diskId, state, orNewer: false, ...range, coarse }, signal);
        if (reply !== 'not durable') return reply;
        if (isHeld(diskId, state)) waited = 0;
        if (waited > PATIENCE) throw missing(diskId);
        await pause(ASK_AGAIN, signal);
        signal.throwIfAborted();
      }
    };
    const ask = async (range: Extent, coarse: boolean, signal: AbortSignal) => {
      for (const wait of RETRIES) {
        try {
          return await askOnce(range, coarse, signal);
        } catch (reason) {
          if (!isHoldfastError(reason, 'DIGESTS_UNAVAILABLE')) throw reason;
        }
        await pause(wait, signal);
        signal.throwIfAborted();
      }
      return askOnce(range, coarse, signal);
    };
    return {
      coarse: (range, signal) => ask(range, true, signal),
      fine: (range, signal) => askOnce(range, false, signal),
    };
  };
};

const missing = (diskId: string): HoldfastError =>
  new HoldfastError('DIGESTS_UNAVAILABLE', {
    thing: `digests of disk ${diskId}`,
    why: 'the vault does not have the state that the disk goes on from, and it is not on its way there',
    remedy: 'nothing is lost: the disk is copied whole',
  });
