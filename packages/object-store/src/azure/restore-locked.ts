import { HoldfastError } from '@holdfast/errors';
import { createAzureClient } from './azure-client.ts';
import { explainAzureError } from './azure-error.ts';
import { parseAzureUrl } from './azure-place.ts';
import type { AzureStoreOptions } from './azure-store.ts';

/** An object that somebody deleted or overwrote although it is locked. */
export interface HiddenObject {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970: from then on it can be deleted for good. */
  readonly lockedUntil: number;
  /** Another one stands in its place. */
  readonly isOverwritten: boolean;
}

export interface RestoreLockedOptions extends Omit<AzureStoreOptions, 'stallSeconds'> {
  /** Only tells. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

interface Version {
  readonly versionId: string;
  readonly isCurrent: boolean;
  readonly size: number;
  readonly digest: string;
  readonly lockedUntil: number;
}

/**
 * Makes what is locked the current version again, wherever it is not: an object of Holdfast is written once, so that the oldest version that is locked is it.
 * Copies within the service; the copy has no lock of its own until a keeper sets one. Yields each when it is back. Errors: those of the store.
 */
export async function* restoreLocked({
  url,
  credential,
  dryRun = false,
  signal,
  ...network
}: RestoreLockedOptions): AsyncGenerator<HiddenObject> {
  const place = parseAzureUrl(url);
  const client = createAzureClient(place, credential, network);
  const aborting = signal === undefined ? {} : { abortSignal: signal };
  let at = 'container';
  try {
    const container = await client.container();
    const restore = async (name: string, versions: readonly Version[]): Promise<HiddenObject | undefined> => {
      const now = Date.now();
      const locked = versions.find(({ lockedUntil }) => lockedUntil > now);
      const current = versions.find(({ isCurrent }) => isCurrent);
      if (locked === undefined || locked === current) return undefined;
      // It is back already, from an earlier run.
      if (current !== undefined && locked.digest !== '' && current.digest === locked.digest && current.size === locked.size)
        return undefined;
      at = name.slice(place.prefix.length);
      if (!dryRun) {
        const blob = container.getBlobClient(name);
        const copying = await blob.beginCopyFromURL(blob.withVersion(locked.versionId).url, aborting);
        const { copyStatus } = await copying.pollUntilDone();
        if (copyStatus !== 'success')
          throw new HoldfastError('STORE_UNAVAILABLE', {
            thing: `${place.url}/${at}`,
            why: `its older version could not be copied: ${copyStatus ?? 'nothing is said of it'}`,
            remedy: 'try again',
          });
      }
      const { size, lockedUntil } = locked;
      return { name: at, size, lockedUntil, isOverwritten: current !== undefined };
    };
    let name = '';
    let versions: Version[] = [];
    // The versions of a name follow one another, the oldest first.
    for await (const blob of container.listBlobsFlat({
      prefix: place.prefix,
      includeVersions: true,
      includeImmutabilityPolicy: true,
      ...aborting,
    })) {
      if (blob.name !== name) {
        const found = await restore(name, versions);
        if (found !== undefined) yield found;
        [name, versions] = [blob.name, []];
      }
      const { contentLength = 0, contentMD5, immutabilityPolicyExpiresOn, immutabilityPolicyMode = '' } = blob.properties;
      if (blob.versionId === undefined) continue;
      versions.push({
        versionId: blob.versionId,
        isCurrent: blob.isCurrentVersion === true,
        size: contentLength,
        digest: contentMD5 === undefined ? '' : Buffer.from(contentMD5).toString('hex'),
        lockedUntil: immutabilityPolicyMode.toLowerCase() === 'locked' ? (immutabilityPolicyExpiresOn?.getTime() ?? 0) : 0,
      });
    }
    const last = await restore(name, versions);
    if (last !== undefined) yield last;
  } catch (reason) {
    throw explainAzureError(reason, place.url, at, client.secrets());
  } finally {
    client.close();
  }
}
