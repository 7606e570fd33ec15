import { isHoldfastError } from '@holdfast/errors';
import type { Manifest } from '@holdfast/protocol';
import type { AdaptableDisk, AdaptMachine } from '../recovery/recovery.ts';
import { type OpenGuest, openGuest } from './mount/open-guest.ts';
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

/** Boot adaptation as a step of `recoverMachine`. Where disks cannot be looked into for want of rights or programs the machine is started as it is, and that is told. */
export const createAdaptation =
  ({ scratch, pointTime, now = Date.now }: AdaptMachineOptions): AdaptMachine =>
  async ({ manifest, disks, firmware, network, signal, controller }) => {
    let open: OpenGuest;
    try {
      open = await openGuest(disks.map(byUri), { scratch, signal, rootHints: rootHints(manifest) });
    } catch (reason) {
      if (!isHoldfastError(reason, 'NO_PERMISSION') && !isHoldfastError(reason, 'TOOL_MISSING')) throw reason;
      return { report: [`not adapted, started as it is: ${reason.message}`], unused: true };
    }
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
