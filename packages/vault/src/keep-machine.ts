import { type Clock, systemClock } from './clock.ts';
import { type CompactMachineOptions, compactMachine, refuseDamaged } from './compact-machine.ts';
import { checkContinuity } from './continuity.ts';
import { lastProven } from './proof.ts';
import { readMachine } from './read-machine.ts';
import { type ReleaseOptions, type ReleaseReport, releaseObjects } from './release.ts';
import { RETENTION_PRESETS, type RetentionPolicy } from './retention.ts';
import { suspectedWriting } from './suspected.ts';
import { thinMachine, thinningSuspended } from './thinning.ts';
import { moveToTiers, type TierPolicy } from './tiers.ts';
import type { Vault } from './vault.ts';

export interface KeepOptions extends Omit<CompactMachineOptions, 'clock'>, ReleaseOptions {
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
  /** Why nothing was thinned, where something speaks against it. */
  readonly suspended: string | undefined;
}

const THIN_AT_ONCE = 16;

const provenPoint = async (vault: Vault, machineId: string): Promise<string[]> => {
  const proof = await lastProven(vault, machineId);
  return proof === undefined ? [] : [proof.pointId];
};

/**
 * Does for one machine, once, what a keeper does again and again: compacts, forgets points by policy, deletes what nobody needs any more. Several may do so
 * at the same time, beside writers and readers. Errors: DAMAGED: nothing is rearranged or deleted where something is missing. MACHINE_NOT_FOUND.
 */
export const keepMachine = async (vault: Vault, machineId: string, options: KeepOptions = {}): Promise<KeepReport> => {
  const { policy, keep = [], thinAtOnce = THIN_AT_ONCE, clock = systemClock } = options;
  const { published, runBytes } = await compactMachine(vault, machineId, options);
  const writer = { vault, machineId, keyEpoch: await vault.keys.newestEpoch(machineId) };
  const history = await readMachine(vault, machineId, options.anchor && { anchor: options.anchor });
  refuseDamaged(history);
  const continuity = await checkContinuity(history);
  options.signal?.throwIfAborted();
  const rules = typeof policy === 'string' ? RETENTION_PRESETS[policy] : policy;
  const suspended =
    options.suspended === true
      ? 'somebody suspended it'
      : rules === undefined
        ? 'no retention is named'
        : (thinningSuspended(history) ?? (await suspectedWriting(history)));
  const thinned =
    rules !== undefined && suspended === undefined
      ? await thinMachine(
          writer,
          history,
          {
            policy: rules,
            keep: [...keep, ...(await provenPoint(vault, machineId))],
            atOnce: thinAtOnce,
            ...(options.signal && { signal: options.signal }),
          },
          clock.now(),
        )
      : 0;
  const after = thinned === 0 ? history : await readMachine(vault, machineId);
  refuseDamaged(after);
  options.signal?.throwIfAborted();
  const released = await releaseObjects(writer, after, options, clock.now());
  const moved = options.tiers === undefined ? 0 : await moveToTiers(vault, continuity, options.tiers, options.signal);
  return { compactions: published, runBytes, thinned, moved, suspended, ...released };
};
