import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem } from '@holdfast/errors';
import type { Log } from '../log/log.ts';
import { type Address, formatAddress, parseAddress } from '../settings/kinds.ts';
import { giveToOwner } from '../state/give-to-owner.ts';
import type { Whereabouts } from './whereabouts.ts';

/** Where the configuration server may be: the first of these that answers as one of our installation is it. */
export interface ServerAddresses {
  /** The one in use. */
  current(): Address;
  all(): readonly Address[];
  /** The one in use does not answer, or is somebody else: from now on the next one is in use. Looks at the file again. */
  next(): Promise<void>;
  /** What the configuration server said of itself; kept for the next start. Says nothing of what cannot be kept but in the log. */
  learn(addresses: readonly string[]): Promise<void>;
  /** What the server told others of itself, who passed it on. Gives false for what is older than what was heard before. */
  heed(whereabouts: Whereabouts): Promise<boolean>;
  /** Calls `listener` when there is something new to try; the returned function ends that. */
  onNews(listener: () => void): () => void;
}

/** Addresses that are kept of what a server says. */
const MOST = 8;
const LARGEST = 16 * 1024;

/** Below the state directory. */
const ADDRESSES_FILE = path.join('identity', 'addresses.json');

interface KeptAddresses {
  /** Of the member that was told; another one that joined from here knows nothing of it. */
  readonly id: string;
  /** What somebody at this machine said; tried before all others. */
  readonly preferred?: Address;
  readonly told: readonly Address[];
  /** What others passed on, and when it was made. */
  readonly heard: readonly Address[];
  readonly heardMade: number;
}

const nothing = (id: string): KeptAddresses => ({ id, told: [], heard: [], heardMade: 0 });

const sameAddress = (a: Address, b: Address): boolean => a.host === b.host && a.port === b.port;

const unique = (addresses: readonly Address[]): Address[] =>
  addresses.filter((address, index) => addresses.findIndex((other) => sameAddress(address, other)) === index);

const readable = (texts: unknown): Address[] => {
  if (!Array.isArray(texts)) return [];
  return texts.slice(0, MOST).flatMap((text) => {
    try {
      return typeof text === 'string' && text.length < 300 ? [parseAddress(text)] : [];
    } catch {
      return [];
    }
  });
};

/** What is kept for a member; nothing of a file that cannot be read, as it is only help to find what else has to be pointed out. */
const readKept = async (directory: string, id: string): Promise<KeptAddresses> => {
  try {
    const text = await readFile(path.join(directory, ADDRESSES_FILE), 'utf8');
    const value = JSON.parse(text.slice(0, LARGEST)) as Record<string, unknown>;
    if (value.id !== id) return nothing(id);
    const [preferred] = readable([value.preferred]);
    return {
      id,
      told: readable(value.told),
      heard: readable(value.heard),
      heardMade: Number.isSafeInteger(value.heardMade) ? (value.heardMade as number) : 0,
      ...(preferred === undefined ? {} : { preferred }),
    };
  } catch {
    return nothing(id);
  }
};

const writeKept = async (directory: string, { id, preferred, told, heard, heardMade }: KeptAddresses): Promise<void> => {
  const file = path.join(directory, ADDRESSES_FILE);
  const fresh = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    const owner = await stat(directory);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(fresh, 'wx', 0o600);
    try {
      const text = {
        id,
        ...(preferred === undefined ? {} : { preferred: formatAddress(preferred) }),
        told: told.map(formatAddress),
        heard: heard.map(formatAddress),
        heardMade,
      };
      await handle.writeFile(`${JSON.stringify(text)}\n`);
      await giveToOwner(handle, owner);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (reason) {
    await rm(fresh, { force: true }).catch(() => undefined);
    throw fromSystem(reason, file);
  }
};

/** From now on the member tries this address first, also a program that runs, as soon as the one it uses does not answer. */
export const preferAddress = async (directory: string, id: string, preferred: Address): Promise<void> =>
  writeKept(directory, { ...(await readKept(directory, id)), preferred });

export interface ServerAddressesOptions {
  readonly directory: string;
  /** Of the member. */
  readonly id: string;
  /** Where it joined. */
  readonly joined: Address;
  /** The setting `configuration-server.address`. */
  readonly setting: Address | undefined;
  readonly log: Log;
}

/** The order: the setting, what was pointed out at this machine, where it joined, what the server said of itself, what others passed on of it. */
export const openServerAddresses = async ({ directory, id, joined, setting, log }: ServerAddressesOptions): Promise<ServerAddresses> => {
  let kept = await readKept(directory, id);
  const all = (): Address[] =>
    unique([
      ...(setting === undefined ? [] : [setting]),
      ...(kept.preferred === undefined ? [] : [kept.preferred]),
      joined,
      ...kept.told,
      ...kept.heard,
    ]);
  let current = all()[0]!;
  /** Heard of, and not tried yet. */
  let untried: readonly Address[] = [];
  const listeners = new Set<() => void>();
  const keep = async (part: Partial<KeptAddresses>): Promise<void> => {
    try {
      kept = { ...(await readKept(directory, id)), ...part };
      await writeKept(directory, kept);
    } catch (error) {
      log.warn('Where the configuration server is reached could not be kept', { error });
    }
  };
  return {
    current: () => current,
    all,
    async next() {
      const [heard, ...rest] = untried;
      untried = rest;
      if (heard !== undefined) {
        current = heard;
        return;
      }
      const before = all();
      kept = await readKept(directory, id);
      const now = all();
      const [fresh] = now.filter((address) => !before.some((other) => sameAddress(address, other)));
      const at = now.findIndex((address) => sameAddress(address, current));
      current = fresh ?? now[(at + 1) % now.length]!;
    },
    async learn(texts) {
      const told = unique(readable([...texts]));
      if (told.length === 0 || JSON.stringify(told) === JSON.stringify(kept.told)) return;
      await keep({ told });
    },
    async heed({ addresses, made }) {
      const heard = unique(readable([...addresses]));
      if (heard.length === 0 || made <= kept.heardMade) return false;
      untried = heard.filter((address) => !sameAddress(address, current));
      await keep({ heard, heardMade: made });
      if (untried.length > 0) for (const listener of listeners) listener();
      return true;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
};
