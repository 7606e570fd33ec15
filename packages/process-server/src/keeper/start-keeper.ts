import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgramContext } from '@holdfast/daemon';
import { withThrottle } from '@holdfast/object-store';
import { readKeeperKey, type Vault } from '@holdfast/vault';
import type { Assignment } from '../control/assignments.ts';
import type { Events } from '../control/events.ts';
import type { ProcessServerSchema } from '../settings.ts';
import type { Anchors } from '../upload/anchors.ts';
import type { VaultIdentities } from '../upload/vault-identities.ts';
import { createVaults, type Vaults } from '../upload/vaults.ts';
import { createKeeper, type Keeper } from './keeper.ts';

export interface StartKeeperOptions {
  readonly context: ProgramContext<ProcessServerSchema>;
  readonly events: Events;
  readonly anchors: Anchors;
  readonly identities: VaultIdentities;
  machines(): readonly Assignment[];
}

export interface StartedKeeper extends Pick<Keeper, 'wake' | 'notVouched'> {
  /** A vault, by the credential that may delete. */
  vault(name: string): Promise<Vault>;
}

/** Requests a keeper has under way at the same time. */
const REQUESTS = 4;

/** Runs the keeper for the life of the program, with ways to the vaults of its own: another credential, and a pace. */
export const startKeeper = ({ context, events, anchors, identities, machines }: StartKeeperOptions): StartedKeeper => {
  const { settings, log, health, metrics, onStop, run } = context;
  const { every, pace, scrubEvery, scrubPace, coolAfter, coldAfter, lockFor, keyFile } = settings.keeper;
  const opening = Object.values(settings.vaults).flatMap((vault) => vault.keyFile ?? []);
  const credentials = Object.fromEntries(
    Object.entries(settings.vaults).map(([name, vault]) => [
      name,
      vault.keeperAzureSasFile === undefined
        ? vault
        : { ...vault, azureConnectionStringFile: undefined, azureSasFile: vault.keeperAzureSasFile },
    ]),
  );
  const vaultsAt = (user: string, bytesPerSecond: number): Vaults => {
    const vaults = createVaults({
      settings: credentials,
      identities,
      requests: REQUESTS,
      log,
      health,
      events,
      user,
      prepare: (store) => withThrottle(store, { bytesPerSecond }),
    });
    onStop(user, () => vaults.close());
    return vaults;
  };
  const keeping = vaultsAt('keeper', pace);
  const scrubbing = vaultsAt('scrubbing', scrubPace);

  const thinned = metrics.counter({ name: 'keeper_thinned_points_total', help: 'Points forgotten by retention' });
  const compactions = metrics.counter({ name: 'keeper_compactions_total', help: 'Catalogue versions published by compaction' });
  const deleted = metrics.counter({ name: 'keeper_deleted_bytes_total', help: 'Bytes of objects deleted from vaults' });
  const scrubbed = metrics.counter({ name: 'keeper_scrubbed_bytes_total', help: 'Bytes read and verified again' });

  const keeper = createKeeper({
    machines,
    vault: (name) => keeping.open(name),
    scrubbed: (name) => scrubbing.open(name),
    anchorOf: anchors.of,
    every,
    scrubEvery,
    tiers: { ...(coolAfter > 0 && { coolAfter }), ...(coldAfter > 0 && { coldAfter }) },
    ...(lockFor > 0 && { lockFor }),
    // Read again each time: one that is put there works without a start.
    ...(keyFile !== undefined && { keeperKey: (vaultId: string) => readKeeperKey(keyFile, vaultId, opening) }),
    log,
    events,
    onKept(report) {
      thinned.inc(report.thinned);
      compactions.inc(report.compactions);
      deleted.inc(report.bytes);
    },
    onScrubbed: ({ read }) => scrubbed.inc(read),
    sleep: (milliseconds, signal) => sleep(milliseconds, undefined, signal && { signal }).catch(() => undefined),
  });
  metrics.gauge({
    name: 'keeper_damaged_objects',
    help: 'Objects that scrubbing found damaged in the vaults of the machines assigned here',
    collect: (gauge) => gauge.set(keeper.damaged),
  });
  // A request may wait long for its turn at this pace.
  const until = (vaults: Vaults, work: (stopping: AbortSignal) => Promise<void>) => (stopping: AbortSignal) => {
    stopping.addEventListener('abort', () => void vaults.close(), { once: true });
    return work(stopping);
  };
  run('keeper', until(keeping, keeper.keep));
  run('scrubbing', until(scrubbing, keeper.scrub));
  return { wake: keeper.wake, notVouched: keeper.notVouched, vault: keeping.open };
};
