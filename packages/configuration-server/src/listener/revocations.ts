import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import type { Peer } from '@holdfast/protocol';
import { listAll } from '../records/kind.ts';
import { revocations as kind } from '../records/kinds.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';

/** The certificates that count no more, in memory; and what has to end when one is added. */
export interface Revocations {
  /** Throws CERTIFICATE_REVOKED, or CERTIFICATE_EXPIRED when it ended, more than `grace` milliseconds ago, while its connection was open. */
  require(peer: Peer, grace?: number): void;
  /** Calls `end` once when this certificate is revoked; the returned function forgets that. */
  onRevoked(peer: Peer, end: (error: HoldfastError) => void): () => void;
  close(): void;
}

/** Milliseconds before the list is read again when it could not be. */
const AGAIN = 500;

const revoked = ({ identity: { role, id }, serial }: Peer): HoldfastError =>
  new HoldfastError('CERTIFICATE_REVOKED', {
    thing: `certificate ${serial} of ${role} ${id}`,
    why: 'it was revoked at the configuration server',
    remedy: 'enrol this machine with a new token if it shall belong to the installation',
  });

/** Reads the list and follows its changes. */
export const openRevocations = async (store: StateStore, notifier: Notifier): Promise<Revocations> => {
  const serials = new Set<string>();
  const living = new Map<string, Set<() => void>>();
  const read = async (): Promise<void> => {
    for await (const { id } of listAll(store, kind)) serials.add(id);
    for (const serial of living.keys()) if (serials.has(serial)) for (const end of [...living.get(serial)!]) end();
  };
  const reading = { again: false, busy: false, closed: false };
  const changed = async (): Promise<void> => {
    reading.again = true;
    if (reading.busy) return;
    reading.busy = true;
    while (reading.again && !reading.closed) {
      reading.again = false;
      // A list that could not be read once is not believed for ever.
      await read().catch(async () => {
        reading.again = true;
        await sleep(AGAIN, undefined, { ref: false });
      });
    }
    reading.busy = false;
  };
  const forget = notifier.subscribe([kind.prefix], () => void changed());
  await read();

  return {
    require(peer, grace = 0) {
      if (serials.has(peer.serial)) throw revoked(peer);
      if (Date.now() > peer.notAfter + grace)
        throw new HoldfastError('CERTIFICATE_EXPIRED', {
          thing: `certificate ${peer.serial} of ${peer.identity.role} ${peer.identity.id}`,
          why: 'it ended while this connection was open',
          remedy: 'renew it and connect anew',
        });
    },
    onRevoked(peer, end) {
      const tell = (): void => end(revoked(peer));
      const ends = living.get(peer.serial) ?? new Set();
      living.set(peer.serial, ends.add(tell));
      if (serials.has(peer.serial)) tell();
      return () => {
        ends.delete(tell);
        if (ends.size === 0 && living.get(peer.serial) === ends) living.delete(peer.serial);
      };
    },
    close() {
      reading.closed = true;
      forget();
    },
  };
};
