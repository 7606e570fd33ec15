import { hostname, networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import type { Authority } from './authority/authority.ts';
import type { Listener } from './listener/listener.ts';

/** This machine's name and addresses, for a certificate nobody gave names for. */
export const ownNames = (): readonly string[] => {
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => (interfaces ?? []).map(({ address }) => address));
  return [...new Set([hostname(), 'localhost', ...addresses.filter((address) => !address.startsWith('fe80'))])];
};

/** Longest wait a timer of Node can do. */
const LONGEST_WAIT = 2 ** 31 - 1;

export interface OwnCertificateOptions {
  readonly authority: Pick<Authority, 'issueOwn'>;
  /** Id of this server. */
  readonly id: string;
  readonly names: readonly string[];
  /** Milliseconds. */
  readonly lifetime: number;
  readonly log: Log;
}

/** What this server shows to whoever connects, and by which it tells whom it believes. */
export interface OwnCertificate {
  /** After a step to another authority: another certificate, of that one. A failure of it ends `run`. */
  turned(listener: Pick<Listener, 'use'>): Promise<void>;
  /**
   * Gives the listener a new certificate at half of the life of the one before, until `stopping` aborts. Rejects when one cannot be made: a server that
   * goes on with the one it has would believe an authority, or be believed by it, that counts no more.
   */
  run(listener: Pick<Listener, 'use'>, stopping: AbortSignal): Promise<void>;
}

export const createOwnCertificate = ({ authority, id, names, lifetime, log }: OwnCertificateOptions): OwnCertificate => {
  const failure = new AbortController();
  const renew = async (listener: Pick<Listener, 'use'>): Promise<void> => {
    const fresh = await authority.issueOwn(id, names, lifetime);
    listener.use(fresh);
    log.info("The server's own certificate was renewed", { until: new Date(fresh.notAfter).toISOString() });
  };
  return {
    turned: (listener) => renew(listener).catch((reason: unknown) => failure.abort(reason)),
    async run(listener, stopping) {
      const signal = AbortSignal.any([stopping, failure.signal]);
      while (!signal.aborted) {
        await sleep(Math.min(lifetime / 2, LONGEST_WAIT), undefined, { signal }).catch(() => undefined);
        if (!signal.aborted) await renew(listener);
      }
      failure.signal.throwIfAborted();
    },
  };
};
