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

/** Gives the listener a new certificate at half of the life of the one before, until `stopping` aborts. */
export const renewOwn = async (
  {
    authority,
    id,
    names,
    lifetime,
  }: { readonly authority: Authority; readonly id: string; readonly names: readonly string[]; readonly lifetime: number },
  listener: Pick<Listener, 'use'>,
  log: Log,
  stopping: AbortSignal,
): Promise<void> => {
  while (!stopping.aborted) {
    await sleep(Math.min(lifetime / 2, LONGEST_WAIT), undefined, { signal: stopping }).catch(() => undefined);
    if (stopping.aborted) return;
    const fresh = await authority.issueOwn(id, names, lifetime);
    listener.use(fresh);
    log.info("The server's own certificate was renewed", { until: new Date(fresh.notAfter).toISOString() });
  }
};
