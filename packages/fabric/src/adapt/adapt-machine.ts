import type { Manifest } from '@holdfast/protocol';
import type { AdaptableDisk, AdaptMachine } from '../recovery/recovery.ts';
import { openGuest } from './mount/open-guest.ts';
import { partitionName } from './mount/volumes.ts';
import { applyAdaptation, describePlan, planAdaptation } from './plan-adaptation.ts';

export interface AdaptMachineOptions {
  /** For what is mounted meanwhile. */
  readonly scratch: string;
  /** Time of the point, milliseconds since 1970. */
  readonly pointTime: number;
  readonly now?: () => number;
}

/** Volumes that held the root when the manifest was made. */
export const rootHints = (manifest: Manifest | undefined): string[] =>
  (manifest?.disks ?? []).flatMap(({ name, partitions }) =>
    partitions
      .filter(({ mountPoints }) => mountPoints.includes('/'))
      .map(({ number }) => (number === 0 ? name : partitionName(name, number))),
  );

/** Boot adaptation as a step of `recoverMachine`. */
export const createAdaptation =
  ({ scratch, pointTime, now = Date.now }: AdaptMachineOptions): AdaptMachine =>
  async ({ manifest, disks, firmware, network, signal, controller }) => {
    const open = await openGuest(disks.map(byUri), { scratch, signal, rootHints: rootHints(manifest) });
    try {
      const plan = await planAdaptation(open, {
        manifest,
        diskNames: disks.map(({ name }) => name),
        firmware,
        addresses: network.kind === 'isolated' ? 'dhcp' : 'keep',
        pointTime: new Date(pointTime).toISOString(),
        now: now(),
      });
      await applyAdaptation(open, plan);
      return {
        ...(controller === undefined && plan.controller !== undefined && { controller: plan.controller }),
        ...(plan.networkModel !== undefined && { networkModel: plan.networkModel }),
        macs: plan.macs,
        report: describePlan(plan),
      };
    } finally {
      await open.close();
    }
  };

const byUri = ({ id, name, uri }: AdaptableDisk) => ({ id, name, uri });
