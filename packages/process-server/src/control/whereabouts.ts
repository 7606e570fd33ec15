import { setTimeout as sleep } from 'node:timers/promises';
import { type Log, type Membership, parseWhereabouts, readWhereabouts } from '@holdfast/daemon';
import { putControlAddresses, readControlAddresses, type Vault } from '@holdfast/vault';

/**
 * Where the configuration server is reached, so that it is found again at another address by whoever has lost it: what it says of itself is put into
 * the vaults; while it is away they are looked at, as whoever restored it elsewhere may have put its new address there; and agents are told.
 */
export interface Whereabouts {
  /** What the configuration server, which is connected, says of itself; empty: nothing. */
  take(content: Uint8Array): void;
  /** Calls `say` with what is known, and with what comes, until the returned function is called. */
  follow(say: (content: Uint8Array) => void): () => void;
  run(stopping: AbortSignal): Promise<void>;
}

export interface WhereaboutsOptions {
  readonly membership: Pick<Membership, 'heed' | 'credentials'>;
  readonly vaults: { readonly names: readonly string[]; open(name: string): Promise<Pick<Vault, 'store'>> };
  readonly isAway: () => boolean;
  readonly log: Log;
  /** Milliseconds from one look to the next: whether there is something to do, and at the vaults. */
  readonly pace?: { readonly look: number; readonly read: number };
}

const PACE = { look: 3000, read: 30_000 };

export const createWhereabouts = ({ membership, vaults, isAway, log, pace = PACE }: WhereaboutsOptions): Whereabouts => {
  let known: { readonly content: Uint8Array; readonly made: number } | undefined;
  /** What is to be put into vaults, and into which of them. */
  let wanted: Uint8Array | undefined;
  let lacking = new Set<string>();
  /** Authorities of others whose configuration servers were told of. */
  const foreign = new Set<string>();
  const listeners = new Set<(content: Uint8Array) => void>();
  let lookedAt = Number.NEGATIVE_INFINITY;

  const spread = (content: Uint8Array, made: number): void => {
    if (known !== undefined && Buffer.from(content).equals(known.content)) return;
    known = { content, made };
    for (const say of listeners) say(content);
  };

  const readOwn = (content: Uint8Array) => readWhereabouts(content, membership.credentials.current().authorities);

  const put = async (name: string, content: Uint8Array): Promise<void> => {
    const { authority, addresses } = readOwn(content);
    const isSame = (last: Uint8Array): boolean => {
      try {
        return JSON.stringify(readOwn(last).addresses) === JSON.stringify(addresses);
      } catch {
        return false;
      }
    };
    if (await putControlAddresses((await vaults.open(name)).store, { authority, content }, isSame))
      log.info('Where the configuration server is reached stands in the vault', { vault: name, addresses });
    lacking.delete(name);
  };

  const read = async (name: string): Promise<void> => {
    for (const { authority, content } of await readControlAddresses((await vaults.open(name)).store))
      if (await membership.heed(content)) {
        const { made } = readOwn(content);
        if (made > (known?.made ?? 0)) spread(content, made);
      } else if (!foreign.has(authority)) {
        foreign.add(authority);
        try {
          const { addresses, made } = parseWhereabouts(content);
          log.warn(
            'A configuration server with another certificate authority told the vault where it is: if ours was rebuilt there, join this server and its machines anew',
            { vault: name, authority, addresses, made: new Date(made).toISOString() },
          );
        } catch (error) {
          log.warn('Where a configuration server is reached cannot be read in the vault', { vault: name, authority, error });
        }
      }
  };

  const look = async (): Promise<void> => {
    const content = wanted;
    if (content !== undefined)
      for (const name of [...lacking])
        await put(name, content).catch((error: unknown) =>
          log.debug('Where the configuration server is reached could not be put into the vault; it is tried again', { vault: name, error }),
        );
    if (!isAway() || performance.now() - lookedAt < pace.read) return;
    lookedAt = performance.now();
    for (const name of vaults.names)
      await read(name).catch((error: unknown) =>
        log.debug('The vault could not be asked where the configuration server is', { vault: name, error }),
      );
  };

  return {
    take(content) {
      if (content.length === 0 || (wanted !== undefined && Buffer.from(content).equals(wanted))) return;
      try {
        spread(content, readOwn(content).made);
        wanted = content;
        lacking = new Set(vaults.names);
      } catch (error) {
        log.warn('What the configuration server says of where it is cannot be passed on', { error });
      }
    },
    follow(say) {
      listeners.add(say);
      if (known !== undefined) say(known.content);
      return () => void listeners.delete(say);
    },
    async run(stopping) {
      while (!stopping.aborted) {
        await look();
        await sleep(pace.look, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
