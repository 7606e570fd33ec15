import { createHash } from 'node:crypto';
import type { ContainerClient } from '@azure/storage-blob';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { checkName, checkPrefix, isName } from '../name.ts';
import type { AccessTier, ListOptions, ObjectInfo, ObjectRange, ObjectStore } from '../object-store.ts';
import { objectExists } from '../outcome.ts';
import { checkRange, resolveRange } from '../range.ts';
import { receiveBody, sendBody } from './azure-body.ts';
import { type AzureClient, type AzureNetwork, createAzureClient } from './azure-client.ts';
import type { AzureCredential } from './azure-credential.ts';
import { explainAzureError } from './azure-error.ts';
import { type AzurePlace, parseAzureUrl } from './azure-place.ts';
import { createGate } from './gate.ts';
import { createStall, type Stall } from './stall.ts';

export interface AzureStoreOptions extends AzureNetwork {
  /** `azure:https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]`; see `parseAzureUrl`. */
  readonly url: string;
  readonly credential: AzureCredential;
  /** An attempt ends when nothing moves for so many seconds: 30 unless told. */
  readonly stallSeconds?: number;
}

/** Requests at once; more wait here, where no clock runs against them. */
const MOST_REQUESTS = 64;

const TIER_NAMES = { hot: 'Hot', cool: 'Cool', cold: 'Cold' } as const;

const PIECE = 1024 * 1024;

/*
 * An object is a block blob, made by one Put Blob with `If-None-Match: *`. Each method makes one attempt; `withRetry` makes it several.
 */
class AzureStore implements ObjectStore {
  readonly #place: AzurePlace;
  readonly #client: AzureClient;
  readonly #stallMs: number;
  readonly #gate = createGate(MOST_REQUESTS);
  readonly #attempts = new Set<Stall>();
  #closed = false;

  constructor({ url, credential, stallSeconds = 30, ...network }: AzureStoreOptions) {
    this.#place = parseAzureUrl(url);
    this.#client = createAzureClient(this.#place, credential, network);
    this.#stallMs = stallSeconds * 1000;
  }

  get url(): string {
    return this.#place.url;
  }

  async create(name: string, content: Uint8Array): Promise<void> {
    checkName(name);
    // The service compares it with what arrived before the object comes into being.
    const md5 = await digest(content);
    try {
      await this.#attempt(name, (container, { signal, moved }) =>
        container.getBlockBlobClient(this.#place.prefix + name).upload(() => sendBody(content, moved), content.length, {
          conditions: { ifNoneMatch: '*' },
          transactionalContentMD5: md5,
          blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
          abortSignal: signal,
        }),
      );
    } catch (reason) {
      // A name that is taken is refused under many titles: a right to create only, an immutability policy, a lease. Whoever can tell must know.
      const refused = isHoldfastError(reason, 'NO_PERMISSION') || isHoldfastError(reason, 'OBJECT_LOCKED');
      throw refused && (await this.#isTaken(name)) ? objectExists(name, reason) : reason;
    }
  }

  async read(name: string, range?: ObjectRange): Promise<Uint8Array> {
    checkName(name);
    checkRange(range);
    // The service knows no ranges that count from the end, nor empty ones.
    if (range === undefined || (range.offset >= 0 && range.length !== 0)) return this.#read(name, range?.offset ?? 0, range?.length);
    const { start, end } = resolveRange((await this.stat(name)).size, range);
    return start < end ? this.#read(name, start, end - start) : new Uint8Array(0);
  }

  async stat(name: string): Promise<ObjectInfo> {
    checkName(name);
    const properties = await this.#attempt(name, (container, { signal }) =>
      container.getBlobClient(this.#place.prefix + name).getProperties({ abortSignal: signal }),
    );
    return infoOf(name, properties);
  }

  async *list(prefix: string, { after = '', locks = false }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    const begin = this.#place.prefix;
    // Where to start is a full name, and the name itself is included.
    const startFrom = after > prefix ? begin + after : undefined;
    if (startFrom !== undefined && !after.startsWith(prefix)) return;
    let continuationToken: string | undefined;
    do {
      const page = await this.#attempt(prefix, (container, { signal }) =>
        container
          .listBlobsFlat({
            prefix: begin + prefix,
            ...(startFrom !== undefined && { startFrom }),
            ...(locks && { includeImmutabilityPolicy: true }),
            abortSignal: signal,
          })
          .byPage({ ...(continuationToken !== undefined && { continuationToken }) })
          .next(),
      );
      if (page.done) return;
      for (const { name: blob, properties } of page.value.segment.blobItems) {
        const name = blob.slice(begin.length);
        if (name > after && isName(name)) yield infoOf(name, properties);
      }
      continuationToken = page.value.continuationToken;
    } while (continuationToken);
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    try {
      await this.#attempt(name, (container, { signal }) =>
        container.getBlobClient(this.#place.prefix + name).delete({ abortSignal: signal }),
      );
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    }
  }

  // A property, as the contract has it: wrappers ask whether there is one.
  readonly setTier = async (name: string, tier: AccessTier): Promise<void> => {
    checkName(name);
    await this.#attempt(name, (container, { signal }) =>
      container.getBlobClient(this.#place.prefix + name).setAccessTier(TIER_NAMES[tier], { abortSignal: signal }),
    );
  };

  // "Locked": nobody, not even who owns the account, takes it back or makes it shorter.
  readonly lockUntil = async (name: string, until: number): Promise<void> => {
    checkName(name);
    await this.#attempt(name, (container, { signal }) =>
      container
        .getBlobClient(this.#place.prefix + name)
        .setImmutabilityPolicy({ expiriesOn: new Date(until), policyMode: 'Locked' }, { abortSignal: signal }),
    ).catch(async (reason: unknown) => {
      if (!isRefusal(reason)) throw reason;
      // Somebody else may have locked it for longer meanwhile, and what is locked is not made shorter. The service knows whole seconds.
      const lockedUntil = await this.stat(name).then(
        (info) => info.lockedUntil ?? 0,
        () => 0,
      );
      if (lockedUntil < Math.floor(until / 1000) * 1000) throw noLocks(this.url, reason);
    });
  };

  // Every answer tells it. A list of one name needs no right that a keeper has not.
  readonly time = async (): Promise<number> => {
    const { value } = await this.#attempt('', (container, { signal }) =>
      container.listBlobsFlat({ prefix: this.#place.prefix, abortSignal: signal }).byPage({ maxPageSize: 1 }).next(),
    );
    const told = value?.date?.getTime();
    if (Number.isSafeInteger(told)) return told;
    throw new HoldfastError('STORE_UNAVAILABLE', {
      thing: this.url,
      why: 'it does not say what time it is',
      remedy: 'look what stands between here and the service: its answers have a date',
    });
  };

  async close(): Promise<void> {
    this.#closed = true;
    for (const attempt of this.#attempts) attempt.abort(this.#interrupted());
    this.#client.close();
  }

  #read(name: string, start: number, length: number | undefined): Promise<Uint8Array> {
    return this.#attempt(name, async (container, { signal, moved }) => {
      const blob = container.getBlobClient(this.#place.prefix + name);
      // A stream that breaks is a failed attempt: the SDK would otherwise ask for the rest by itself.
      const answer = await blob.download(start, length, { abortSignal: signal, maxRetryRequests: 0 });
      return receiveBody(answer, { start, length }, `${this.url}/${name}`, moved);
    }).catch((reason: unknown) => {
      if (isBehindEnd(reason)) return new Uint8Array(0);
      throw reason;
    });
  }

  async #isTaken(name: string): Promise<boolean> {
    return this.stat(name).then(
      () => true,
      () => false,
    );
  }

  async #attempt<T>(name: string, request: (container: ContainerClient, stall: Stall) => Promise<T>): Promise<T> {
    await this.#gate.enter();
    const stall = createStall(this.#stallMs, `${this.url}/${name}`);
    this.#attempts.add(stall);
    try {
      if (this.#closed) throw this.#interrupted();
      const aborted = new Promise<never>((_, reject) => stall.signal.addEventListener('abort', () => reject(stall.signal.reason)));
      // Not all that the SDK does heeds the signal.
      return await Promise.race([this.#client.container().then((container) => request(container, stall)), aborted]);
    } catch (reason) {
      throw explainAzureError(stall.signal.aborted ? stall.signal.reason : reason, this.url, name, this.#client.secrets());
    } finally {
      stall.end();
      this.#attempts.delete(stall);
      this.#gate.leave();
    }
  }

  #interrupted(): HoldfastError {
    return new HoldfastError('INTERRUPTED', { thing: this.url, why: 'the store was closed', remedy: 'open it again' });
  }
}

interface BlobProperties {
  readonly contentLength?: number;
  readonly createdOn?: Date;
  readonly lastModified?: Date;
  readonly accessTier?: string;
  readonly accessTierChangedOn?: Date;
  readonly immutabilityPolicyExpiresOn?: Date;
  /** Another one than "Locked", in whatever letters, may be taken back. */
  readonly immutabilityPolicyMode?: string;
}

/** An old blob has no time of creation; then the later one is taken, so that nothing seems older than it is. */
const infoOf = (
  name: string,
  {
    contentLength = 0,
    createdOn,
    lastModified,
    accessTier,
    accessTierChangedOn,
    immutabilityPolicyExpiresOn,
    immutabilityPolicyMode = '',
  }: BlobProperties,
): ObjectInfo => {
  const lock = immutabilityPolicyMode.toLowerCase() === 'locked' ? immutabilityPolicyExpiresOn : undefined;
  const tier = TIERS.find((known) => known === accessTier?.toLowerCase());
  return {
    name,
    size: contentLength,
    created: (createdOn ?? lastModified ?? new Date()).getTime(),
    ...(tier && { tier }),
    ...(accessTierChangedOn && { tierSince: accessTierChangedOn.getTime() }),
    ...(lock && { lockedUntil: lock.getTime() }),
  };
};

const TIERS = ['hot', 'cool', 'cold', 'archive'] as const;

/** In pieces, so that others get their turn: a large object takes tens of milliseconds. */
const digest = async (content: Uint8Array): Promise<Uint8Array> => {
  const md5 = createHash('md5');
  for (let offset = 0; offset < content.length; offset += PIECE) {
    if (offset > 0) await new Promise(setImmediate);
    md5.update(content.subarray(offset, offset + PIECE));
  }
  return md5.digest();
};

/** True where the service said no for a reason of its own: asking again does not help. */
const isRefusal = (reason: unknown): reason is HoldfastError => {
  if (isHoldfastError(reason, 'OBJECT_LOCKED')) return true;
  if (!isHoldfastError(reason, 'STORE_UNAVAILABLE')) return false;
  const { status = 0 } = (reason.cause ?? {}) as { readonly status?: number };
  return status === 501 || (status >= 400 && status < 500 && status !== 408 && status !== 429);
};

const noLocks = (store: string, cause: HoldfastError): HoldfastError =>
  new HoldfastError('UNSUPPORTED_OPERATION', {
    thing: store,
    why: `objects of it cannot be locked: ${cause.why}`,
    remedy: 'set up version-level immutability for the container, or have nothing locked',
    cause,
  });

const isBehindEnd = (reason: unknown): boolean =>
  isHoldfastError(reason) && (reason.cause as { readonly code?: unknown } | undefined)?.code === 'InvalidRange';

/**
 * Objects as block blobs in a container of Azure Blob Storage, which must exist. Each request is made once: put `withRetry` around it.
 *
 * Errors beside those of the contract: STORE_NOT_FOUND (no such account or container), OBJECT_LOCKED (immutable, leased, archived), INTERRUPTED
 * (closed), NO_PERMISSION and STORE_UNAVAILABLE in the service's own words. A refused create of a name that is taken is OBJECT_EXISTS whenever the
 * credential may look; with the bare right to create it is NO_PERMISSION, and the name may be taken.
 *
 * What is sent carries its MD5, which the service compares before it creates anything. What is read is not compared: TLS guards the way, and
 * Holdfast's objects are authenticated inside.
 */
export const createAzureStore = (options: AzureStoreOptions): ObjectStore => new AzureStore(options);
