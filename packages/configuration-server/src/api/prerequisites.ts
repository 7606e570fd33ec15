import { HoldfastError } from '@holdfast/errors';
import { idText, isId, type Manifest, type ProtectRequest, type RecoveryTarget } from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { serversWith } from '../jobs/choose-server.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import { checkName } from './resolve.ts';

/** Something that is needed to protect a machine and is not there. */
export interface Missing {
  readonly why: string;
  readonly remedy: string;
}

const FABRICS = ['qemu', 'azure', 'vsphere'];
const SECTORS = [512, 4096];

/** Where and as what a machine is recovered, with what was not said filled in. Throws REQUEST_INVALID. */
export const completeTarget = (target: RecoveryTarget | undefined): Omit<RecoveryTarget, '$typeName' | '$unknown'> => {
  const { fabric = '', network = '', testNetwork = '', size = '', address = '', guestCredential = '' } = target ?? {};
  if (fabric !== '' && !FABRICS.includes(fabric))
    throw requestInvalid('target.fabric', `${JSON.stringify(fabric.slice(0, 40))} is none`, `use one of ${FABRICS.join(', ')}`);
  for (const [field, value] of Object.entries({ network, testNetwork, size, address, guestCredential }))
    checkLine(value, `target.${field}`, 200);
  return { fabric: fabric || 'qemu', network, testNetwork, size: size || 'same', address: address || 'dhcp', guestCredential };
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

/** The vault that is meant: the one named, or the only one there is. Throws REQUEST_INVALID when there are several. */
export const chooseVault = (wanted: string, presence: ServerPresence): string => {
  if (wanted !== '') return checkName(wanted, 'vault');
  const known = [...new Set(presence.connected().flatMap((id) => presence.get(id)?.hello.vaults ?? []))].toSorted();
  if (known.length > 1) throw requestInvalid('vault', `there are several: ${known.join(', ')}`, 'name one');
  return known[0] ?? '';
};

export interface PrerequisiteFacts {
  readonly connected: boolean;
  readonly manifest: Manifest | undefined;
  readonly excluded: readonly string[];
  readonly vault: string;
  readonly wantedServer: string;
  readonly servers: ServerPresence;
}

/** Everything that is missing, at once. */
export const missingPrerequisites = (facts: PrerequisiteFacts): readonly Missing[] => {
  const { connected, manifest, excluded, vault, wantedServer, servers } = facts;
  const missing: Missing[] = [];
  const needs = (holds: boolean, why: string, remedy: string): void => {
    if (!holds) missing.push({ why, remedy });
  };
  needs(connected, 'the machine is not connected', 'start holdfast-agent on it and see what it logs');
  const disks = manifest?.disks.filter(({ id }) => !excluded.includes(idText(id))) ?? [];
  needs(disks.length > 0, 'the machine has told of no disk that could be protected', 'see `holdfast disk list`, and exclude fewer');
  for (const { name, size, logicalSectorSize } of disks) {
    needs(SECTORS.includes(logicalSectorSize), `disk ${name} has sectors of ${logicalSectorSize} bytes`, 'exclude it');
    needs(size > 0n && size % 512n === 0n, `disk ${name} has a size of ${size} bytes`, 'exclude it');
  }
  const holders = serversWith(servers, vault);
  needs(
    holders.length > 0,
    vault === '' ? 'no process server with a vault is connected' : `no connected process server holds the vault ${vault}`,
    'name the vault in the settings of a process server, and start it',
  );
  if (wantedServer !== '' && holders.length > 0)
    needs(holders.includes(wantedServer), 'the process server that was named is not connected or does not hold it', 'name another one');
  return missing;
};

/** Throws PREREQUISITES_MISSING when anything is missing. */
export const requirePrerequisites = (machine: string, facts: PrerequisiteFacts): void => {
  const missing = missingPrerequisites(facts);
  if (missing.length === 0) return;
  throw new HoldfastError('PREREQUISITES_MISSING', {
    thing: `machine ${machine}`,
    why: missing.map(({ why }) => why).join('; '),
    remedy: missing.map(({ remedy }) => remedy).join('; '),
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
