import { HoldfastError } from '@holdfast/errors';

/** So much has to move within the limit. A link on which that is too much carries no replication either. */
export const STEP = 256 * 1024;

/** Ends an attempt that does not get on. */
export interface Stall {
  /** Aborted when the attempt has to end; its reason is the HoldfastError to throw. */
  readonly signal: AbortSignal;
  /** Tells that so many more bytes went out or came in. */
  moved(bytes: number): void;
  abort(reason: HoldfastError): void;
  /** The attempt is over. */
  end(): void;
}

/**
 * Watches one attempt: it has to be answered within `limit` milliseconds, and each further 256 KiB on the way give it as long again. So a large
 * object has time on a slow link, a connection that went dead is noticed soon, and a peer that trickles cannot hold us for ever.
 */
export const createStall = (limit: number, thing: string): Stall => {
  const controller = new AbortController();
  let step = 0;
  const timer = setTimeout(() => {
    controller.abort(
      new HoldfastError('STORE_UNAVAILABLE', {
        thing,
        why: `nothing moved for ${limit / 1000} s, whether the request was carried out is unknown`,
        remedy: 'look at the network, then try again',
      }),
    );
  }, limit);
  return {
    signal: controller.signal,
    moved: (bytes) => {
      step += bytes;
      if (step < STEP) return;
      step = 0;
      timer.refresh();
    },
    abort: (reason) => controller.abort(reason),
    end: () => clearTimeout(timer),
  };
};
