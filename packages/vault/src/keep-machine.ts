import { isHoldfastError } from '@holdfast/errors';
import { publishCatalogue } from './catalogue.ts';
import { type CatalogueTrust, catalogueTrust } from './catalogue-trust.ts';
import { type Clock, systemClock } from './clock.ts';
import { type CompactMachineOptions, compactMachine, refuseDamaged } from './compact-machine.ts';
import { checkContinuity } from './continuity.ts';
import type { Finding } from './finding.ts';
import type { MachineHistory } from './history.ts';
import { renewLocks, toldOfLocks } from './locks.ts';
import { listProofs } from './proof.ts';
import { readMachine } from './read-machine.ts';
import { type ReleaseOptions, type ReleaseReport, releaseObjects } from './release.ts';
import { RETENTION_PRESETS, type RetentionPolicy } from './retention.ts';
import { suspectedWriting } from './suspected.ts';
import { thinMachine, thinningSuspended } from './thinning.ts';
import { moveToTiers, type TierPolicy } from './tiers.ts';
import type { Vault } from './vault.ts';

export interface KeepOptions extends Omit<CompactMachineOptions, 'clock'>, Omit<ReleaseOptions, 'locks' | 'vouched'> {
  /** Which points stay: a grid of one's own, or a preset. Without it all do. */
  readonly policy?: RetentionPolicy | keyof typeof RETENTION_PRESETS;
  /** Points that stay whatever the policy says, beside the newest proven one. */
  readonly keep?: readonly string[];
  /** Points that have to go before any does; 16 unless told: each time writes what is left once more. */
  readonly thinAtOnce?: number;
  /** Forgets nothing, for example because the newest points are suspected. */
  readonly suspended?: boolean;
  /** Where old parts go, in a store that has tiers; nowhere unless told. */
  readonly tiers?: TierPolicy;
  /** Milliseconds for which nobody, with whatever rights, shall delete what points need; a store that cannot is left alone. Not at all unless told. */
  readonly lockFor?: number;
  /** Vouches for the newest version of the catalogue as it is, whoever published it: somebody looked at it. Needs `keeperKey`. */
  readonly adopt?: boolean;
  readonly clock?: Clock;
}

export interface KeepReport extends ReleaseReport {
  /** Catalogue versions that compaction published. */
  readonly compactions: number;
  readonly runBytes: number;
  /** Points forgotten. */
  readonly thinned: number;
  /** Parts moved to a cooler tier. */
  readonly moved: number;
  /** Objects locked, or whose lock was renewed. */
  readonly lockedAnew: number;
  /** What cannot be read and keeps points from being thinned. */
  readonly unknown: Finding | undefined;
  /** Why nothing was thinned, where something speaks against it. */
  readonly suspended: string | undefined;
}

const THIN_AT_ONCE = 16;

interface Proven {
  /** Stays. */
  readonly points: readonly string[];
  /** A newer proof, of another version of the format: it may say that another point passed. */
  readonly unknown: Finding | undefined;
}

/** Of the points there are: whoever says that one passed which is not there hides none that did. */
const findProven = async ({ vault, machine, points }: MachineHistory): Promise<Proven> => {
  let unknown: Finding | undefined;
  const present = new Set(points.map(({ id }) => id));
  const proofs = listProofs(vault, machine.id, (finding) => {
    if (finding.code === 'VAULT_VERSION_UNSUPPORTED') unknown ??= finding;
  });
  for await (const { passed, pointId } of proofs) if (passed && present.has(pointId)) return { points: [pointId], unknown };
  return { points: [], unknown };
};

/**
 * Does for one machine, once, what a keeper does again and again: renews locks, compacts, forgets points by policy, deletes what nobody needs any more.
 * Several may do so at the same time, beside writers and readers. Errors: DAMAGED: nothing is rearranged or deleted where something is missing; locks are
 * renewed all the same, and the error says so. VAULT_NOT_VOUCHED: nor where nobody who has the keeper key vouches for the catalogue. MACHINE_NOT_FOUND.
 */
export const keepMachine = async (vault: Vault, machineId: string, options: KeepOptions = {}): Promise<KeepReport> => {
  const { lockFor, signal } = options;
  const trust = catalogueTrust(vault, machineId, options.keeperKey);
  if (lockFor === undefined || vault.store.lockUntil === undefined) return keep(vault, machineId, options, trust, async () => 0);
  // First of all: whatever is wrong with a vault, locks must not run out because of it.
  let failed: unknown;
  let lockedAnew = 0;
  const renew = async (): Promise<void> => {
    try {
      lockedAnew += await renewLocks(vault, machineId, { lockFor, signal, trust });
    } catch (reason) {
      signal?.throwIfAborted();
      failed = reason;
    }
  };
  await renew();
  const after = async (changed: boolean): Promise<number> => {
    if (changed && failed === undefined) await renew();
    if (failed !== undefined) throw failed;
    return lockedAnew;
  };
  return keep(vault, machineId, options, trust, after).catch((reason: unknown) => {
    throw reason !== failed && isHoldfastError(reason) && !signal?.aborted ? toldOfLocks(reason, failed) : reason;
  });
};

/** `lock` is asked before anything goes, and told whether something is new that is not locked yet. */
const keep = async (
  vault: Vault,
  machineId: string,
  options: KeepOptions,
  trust: CatalogueTrust,
  lock: (changed: boolean) => Promise<number>,
): Promise<KeepReport> => {
  const { policy, keep = [], thinAtOnce = THIN_AT_ONCE, clock = systemClock, keeperKey } = options;
  if (options.adopt === true) await adopt(vault, machineId, options, trust);
  const { published, runBytes } = await compactMachine(vault, machineId, options, trust);
  const writer = { vault, machineId, keyEpoch: await vault.keys.newestEpoch(machineId), keeperKey };
  const history = await readMachine(vault, machineId, { anchor: options.anchor, withTimes: true });
  refuseDamaged(history);
  if (history.catalogue !== undefined) await trust.require(history.catalogue);
  const continuity = await checkContinuity(history);
  options.signal?.throwIfAborted();
  const rules = typeof policy === 'string' ? RETENTION_PRESETS[policy] : policy;
  const proven = await findProven(history);
  const suspended =
    options.suspended === true
      ? 'somebody suspended it'
      : rules === undefined
        ? 'no retention is named'
        : (thinningSuspended(history) ??
          (proven.unknown && `${proven.unknown.object}: ${proven.unknown.why}: it may be of the newest proven point`) ??
          (await suspectedWriting(history)));
  const thinned =
    rules !== undefined && suspended === undefined
      ? await thinMachine(
          writer,
          history,
          {
            policy: rules,
            keep: [...keep, ...proven.points],
            atOnce: thinAtOnce,
            ...(options.signal && { signal: options.signal }),
          },
          clock.now(),
        )
      : 0;
  const after = thinned === 0 ? history : await readMachine(vault, machineId, { withTimes: true });
  refuseDamaged(after);
  if (after.catalogue !== undefined) await trust.require(after.catalogue);
  options.signal?.throwIfAborted();
  // Before anything goes: what is locked and given up right now only stays for longer.
  const lockedAnew = await lock(published + thinned > 0);
  const released = await releaseObjects(
    writer,
    after,
    { ...options, locks: options.lockFor !== undefined, vouched: trust.vouched },
    clock.now(),
  );
  const moved = options.tiers === undefined ? 0 : await moveToTiers(vault, continuity, options.tiers, options.signal);
  return { compactions: published, runBytes, thinned, moved, lockedAnew, unknown: proven.unknown, suspended, ...released };
};

/** Publishes the newest version once more, vouched for, where it would not be believed. Errors: DAMAGED when something that it needs is missing. */
const adopt = async (
  vault: Vault,
  machineId: string,
  { anchor, keeperKey, clock = systemClock }: KeepOptions,
  trust: CatalogueTrust,
): Promise<void> => {
  const history = await readMachine(vault, machineId, anchor && { anchor });
  refuseDamaged(history);
  const { catalogue: newest } = history;
  if (newest === undefined) return;
  try {
    await trust.require(newest);
  } catch (reason) {
    if (keeperKey === undefined || !isHoldfastError(reason, 'VAULT_NOT_VOUCHED')) throw reason;
    await checkContinuity(history);
    const writer = { vault, machineId, keyEpoch: await vault.keys.newestEpoch(machineId), keeperKey };
    await publishCatalogue(writer, { newest, highest: newest.version }, { ...newest.catalogue, publishedUnixMillis: BigInt(clock.now()) });
  }
};
