import { HoldfastError } from '@holdfast/errors';
import {
  idText,
  isId,
  type Manifest,
  type Policy,
  type ProtectRequest,
  parseMachineNetwork,
  parseMachineSize,
  type RecoveryTarget,
} from '@holdfast/protocol';
import { type Checked, failures } from '../checks/check-machine.ts';
import type { ServerPresence } from '../control/presence.ts';
import { find } from '../records/kind.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';
import { type VaultRecord, vaultName, vaults } from '../vaults/vault-record.ts';
import { checkName, idOf } from './resolve.ts';

const FABRICS = ['qemu', 'azure', 'vsphere'];

/** What a process server would refuse on the bad day is refused when it is said. */
const checkWords = ({ network, testNetwork, size }: Pick<RecoveryTarget, 'network' | 'testNetwork' | 'size'>): void => {
  if (parseMachineSize(size) === undefined)
    throw requestInvalid('target.size', `${JSON.stringify(size)} is none`, 'write it like 4x8GiB, or same for what the source has');
  for (const [field, name] of Object.entries({ network, testNetwork }))
    if (parseMachineNetwork(name) === undefined)
      throw requestInvalid(
        `target.${field}`,
        `${JSON.stringify(name)} is no name of a bridge`,
        'name a bridge of the process server, isolated, or none',
      );
};

/** Where and as what a machine is recovered, with what was not said filled in. Throws REQUEST_INVALID. */
export const completeTarget = (target: RecoveryTarget | undefined): Omit<RecoveryTarget, '$typeName' | '$unknown'> => {
  const { fabric = '', network = '', testNetwork = '', size = '', address = '', guestCredential = '' } = target ?? {};
  if (fabric !== '' && !FABRICS.includes(fabric))
    throw requestInvalid('target.fabric', `${JSON.stringify(fabric.slice(0, 40))} is none`, `use one of ${FABRICS.join(', ')}`);
  for (const [field, value] of Object.entries({ network, testNetwork, size, address, guestCredential }))
    checkLine(value, `target.${field}`, 200);
  const complete = { fabric: fabric || 'qemu', network, testNetwork, size: size || 'same', address: address || 'dhcp', guestCredential };
  if (complete.fabric === 'qemu') checkWords(complete);
  return complete;
};

/** A target with what another one says instead; what that leaves empty stays. Throws REQUEST_INVALID. */
export const targetOver = (own: RecoveryTarget | undefined, over: RecoveryTarget | undefined): ReturnType<typeof completeTarget> => {
  const said = Object.entries(over ?? {}).filter(([field, value]) => !field.startsWith('$') && typeof value === 'string' && value !== '');
  return completeTarget({ ...own, ...Object.fromEntries(said) } as RecoveryTarget);
};

/** The ids of excluded disks, each named by its id or by its name at the source. Throws REQUEST_INVALID. */
export const excludedDisks = (wanted: readonly string[], manifest: Manifest): readonly string[] =>
  wanted.map((name) => {
    const disk = manifest.disks.find((candidate) => candidate.name === name || idText(candidate.id) === name);
    if (disk !== undefined) return idText(disk.id);
    throw requestInvalid(
      `excluded disk ${JSON.stringify(name.slice(0, 80))}`,
      `the machine has ${manifest.disks.map((candidate) => candidate.name).join(', ')}`,
      'name one of these',
    );
  });

/** Throws VAULT_DECOMMISSIONED for a vault that was given up. */
export const requireVaultInUse = ({ name, decommissioned }: VaultRecord): void => {
  if (decommissioned === undefined) return;
  throw new HoldfastError('VAULT_DECOMMISSIONED', {
    thing: `vault ${name}`,
    why: `${decommissioned.by} gave it up on ${new Date(decommissioned.at).toISOString()}`,
    remedy: `name another vault, or take it back with \`holdfast vault readmit ${name}\``,
  });
};

/**
 * What refers to the vault that is meant: the one named, or the only one there is. Of one that only process servers of an earlier version serve its name.
 * Errors: REQUEST_INVALID when there are several, VAULT_DECOMMISSIONED.
 */
export const chooseVault = async (store: StateStore, wanted: string, presence: ServerPresence): Promise<string> => {
  if (wanted !== '') {
    const id = await idOf(store, 'vault', wanted);
    const vault = id === undefined ? undefined : await find(store, vaults, id);
    if (vault !== undefined) requireVaultInUse(vault.value);
    return vault?.id ?? wanted;
  }
  const known = [...new Set(presence.connected().flatMap((id) => presence.get(id)?.hello.vaults ?? []))].toSorted();
  if (known.length > 1) {
    const called = await Promise.all(known.map((vault) => vaultName(store, vault)));
    throw requestInvalid('vault', `there are several: ${called.toSorted().join(', ')}`, 'name one');
  }
  return known[0] ?? '';
};

/** Throws PREREQUISITES_MISSING with all that failed. */
export const requirePassed = (machine: string, checked: Pick<Checked, 'findings'>): void => {
  const missing = failures(checked);
  if (missing.length === 0) return;
  throw new HoldfastError('PREREQUISITES_MISSING', {
    thing: `machine ${machine}`,
    why: missing.map(({ code, thing, text }) => `${code} (${thing}): ${text}`).join('; '),
    remedy: [...new Set(missing.map(({ remedy }) => remedy))].join('; '),
  });
};

/** Refuses what a request asks for that this version does not have. */
export const refuseUnbuilt = ({ group }: Pick<ProtectRequest, 'group'>): void => {
  if (group === '') return;
  throw new HoldfastError('UNSUPPORTED_OPERATION', {
    thing: `replication group ${isId(group) ? group : checkName(group, 'group')}`,
    why: 'this version has no replication groups; version 0.5 will',
    remedy: 'protect the machine without a group',
  });
};

/** Throws REQUEST_INVALID for a policy that is for the way home. */
export const refuseWayHome = ({ name, failbackOf }: Pick<Policy, 'name' | 'failbackOf'>): void => {
  if (failbackOf !== '') throw requestInvalid('policy', `${name} is for the way home`, 'name the one that it belongs to');
};
