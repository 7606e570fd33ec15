import type { Manifest, Policy, ProtectRequest } from '@holdfast/protocol';
import type { Wanted } from '../checks/check-machine.ts';
import type { ServerPresence } from '../control/presence.ts';
import { find, type Stored } from '../records/kind.ts';
import { type MachineRecord, machines, manifests, policies, servers as serverKind } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { chooseVault, completeTarget, excludedDisks, refuseUnbuilt, refuseWayHome } from './prerequisites.ts';
import { resolve } from './resolve.ts';

/** What a request to protect a machine means, with what it left open filled in. */
export interface WantedProtection {
  readonly machine: Stored<MachineRecord>;
  readonly policy: Stored<Policy>;
  readonly wanted: Wanted & { readonly target: ReturnType<typeof completeTarget> };
  /** Ids of disks as the machine is now. */
  readonly excludedIn: (manifest: Manifest | undefined) => readonly string[];
}

/** Errors: REQUEST_INVALID, MACHINE_NOT_FOUND, RESOURCE_NOT_FOUND, UNSUPPORTED_OPERATION. */
export const wantedProtection = async (store: StateStore, servers: ServerPresence, request: ProtectRequest): Promise<WantedProtection> => {
  refuseUnbuilt(request);
  const target = completeTarget(request.target);
  const machine = await resolve(store, machines, 'machine', request.machine);
  const policy = await resolve(store, policies, 'policy', request.policy || 'default');
  refuseWayHome(policy.value);
  const server = request.processServer === '' ? '' : (await resolve(store, serverKind, 'server', request.processServer)).id;
  const vault = await chooseVault(store, request.vault, servers);
  const excludedIn = (manifest: Manifest | undefined): readonly string[] =>
    manifest === undefined ? [] : excludedDisks(request.excludedDisks, manifest);
  const excluded = excludedIn((await find(store, manifests, machine.id))?.value);
  const wanted = { policyId: policy.id, policyName: policy.value.name, vault, server, excluded, target };
  return { machine, policy, wanted, excludedIn };
};
