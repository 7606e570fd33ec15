import type { ContainerClient } from '@azure/storage-blob';
import { isHoldfastError } from '@holdfast/errors';
import type { StoreCheck } from '../validate-store.ts';
import { createAzureClient } from './azure-client.ts';
import { explainAzureError } from './azure-error.ts';
import { parseAzureUrl } from './azure-place.ts';
import type { AzureStoreOptions } from './azure-store.ts';

/**
 * What a container and its account are set to that concerns a vault's cost and what deleting does: versioning, soft delete, immutability, tier. What the
 * credential may not see is unknown. Creates one small object to see what becomes of it, and deletes it; where versions can be made immutable another one,
 * which stays locked for a minute. Errors: those of the store.
 */
export const inspectAzureContainer = async ({ url, credential, ...network }: AzureStoreOptions): Promise<StoreCheck[]> => {
  const place = parseAzureUrl(url);
  const client = createAzureClient(place, credential, network);
  const explain = (reason: unknown): Error => explainAzureError(reason, place.url, 'container', client.secrets());
  const checks: StoreCheck[] = [];
  const look = async (name: string, ask: () => Promise<Omit<StoreCheck, 'name'>>): Promise<void> => {
    const found = await ask().catch((reason: unknown) => ({ outcome: 'unknown' as const, detail: explain(reason).message }));
    checks.push({ name, ...found });
  };
  try {
    const container = await client.container();
    let canLock = false;
    await look('immutability', async () => {
      const { hasImmutabilityPolicy, hasLegalHold, isImmutableStorageWithVersioningEnabled } = await container.getProperties();
      canLock = isImmutableStorageWithVersioningEnabled === true;
      const set = [
        ...(hasImmutabilityPolicy ? ['the container has a policy'] : []),
        ...(hasLegalHold ? ['the container has a legal hold'] : []),
        ...(isImmutableStorageWithVersioningEnabled ? ['versions can be made immutable'] : []),
      ];
      if (set.length === 0) return { outcome: 'unknown', detail: 'none: who may delete can delete everything' };
      return {
        outcome: 'good',
        detail: `${set.join(', ')}: objects stay until it ends, also those that keepers give up; deleting is tried again after that`,
      };
    });
    const name = `${place.prefix}validate/${crypto.randomUUID()}`;
    const blob = container.getBlockBlobClient(name);
    await look('versioning', async () => {
      const { versionId } = await blob.upload('x', 1, { conditions: { ifNoneMatch: '*' } });
      const { accessTier, accessTierInferred } = await blob.getProperties();
      checks.push({
        name: 'tier',
        // A log that is read and deleted within a day is dearer in every other tier.
        outcome: accessTier === undefined ? 'unknown' : accessTier === 'Hot' ? 'good' : 'bad',
        detail: `${accessTier ?? 'not told'}${accessTierInferred ? ', of the account' : ''}; the log of a vault belongs into Hot`,
      });
      await blob.delete();
      return versionId === undefined
        ? { outcome: 'good', detail: 'off: what is deleted takes no room' }
        : {
            outcome: 'unknown',
            detail: 'on: what keepers delete stays as an older version, and is paid for, until a lifecycle rule takes it away',
          };
    });
    if (canLock) await look('locks', () => tryLock(container, `${place.prefix}validate/${crypto.randomUUID()}`, explain));
    await look('soft delete', async () => {
      const { deleteRetentionPolicy } = await (await client.service()).getProperties();
      return deleteRetentionPolicy?.enabled === true
        ? {
            outcome: 'unknown',
            detail: `on: what keepers delete stays, and is paid for, for ${deleteRetentionPolicy.days ?? 'some'} days; good against whoever deletes on purpose`,
          }
        : { outcome: 'unknown', detail: 'off: what is deleted is gone at once' };
    });
    await look('account', async () => {
      const { skuName, accountKind, isHierarchicalNamespaceEnabled } = await container.getAccountInfo();
      return {
        outcome: 'unknown',
        detail: `${skuName ?? '?'}, ${accountKind ?? '?'}${isHierarchicalNamespaceEnabled ? ', hierarchical namespace: no versioning there' : ''}`,
      };
    });
    return checks;
  } finally {
    client.close();
  }
};

/** Milliseconds. */
const PROBE_LOCK = 60_000;

/**
 * Locks an object and tries to delete it. The page on version-level policies (https://learn.microsoft.com/azure/storage/blobs/immutable-version-level-worm-policies)
 * forbids deleting a version, and says that deleting a current one makes it an older version, policy and all: what this service does is tried, not believed.
 */
const tryLock = async (
  container: ContainerClient,
  name: string,
  explain: (reason: unknown) => Error,
): Promise<Omit<StoreCheck, 'name'>> => {
  const ifHeld = (reason: unknown): true => {
    if (isHoldfastError(explain(reason), 'OBJECT_LOCKED')) return true;
    throw reason;
  };
  const blob = container.getBlockBlobClient(name);
  const { versionId, date = new Date() } = await blob.upload('x', 1, { conditions: { ifNoneMatch: '*' } });
  await blob.setImmutabilityPolicy({ expiriesOn: new Date(date.getTime() + PROBE_LOCK), policyMode: 'Locked' });
  const refused = await blob.delete().then(() => false, ifHeld);
  if (refused) return { outcome: 'good', detail: `deleting what is locked is refused; ${name} stays, locked for a minute` };
  if (versionId === undefined) return { outcome: 'bad', detail: 'what was locked was deleted' };
  const version = blob.withVersion(versionId);
  if (!(await version.exists())) return { outcome: 'bad', detail: 'what was locked was deleted, and no older version of it is there' };
  if (!(await version.delete().then(() => false, ifHeld))) return { outcome: 'bad', detail: 'the version that was locked was deleted' };
  return {
    outcome: 'good',
    detail: `deleting what is locked makes an older version of it, which nobody deletes before that ends: it is gone from the vault until somebody makes it the current one again; one of ${name} stays`,
  };
};
