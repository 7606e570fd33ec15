/*
 * Names of the objects of a vault (docs/format.md, "Names"). They hold random ids and numbers and say nothing else. Numbers have a fixed width, so
 * that names sort as numbers do.
 */

const WIDTH = 12;

const number = (value: number): string => String(value).padStart(WIDTH, '0');

export const VAULT_NAME = 'vault';
export const KEY_SLOTS = 'keys/';
export const MACHINES = 'machines/';
export const HOLDERS = 'holders/';

export const keySlotName = (slotId: string): string => `${KEY_SLOTS}${slotId}`;
export const holdersName = (version: number): string => `${HOLDERS}${number(version)}`;
export const machineName = (machineId: string): string => `${MACHINES}${machineId}`;
export const dataKeyPrefix = (machineId: string): string => `m/${machineId}/keys/`;
export const dataKeyName = (machineId: string, epoch: number): string => `${dataKeyPrefix(machineId)}${number(epoch)}`;
export const termName = (machineId: string, term: number): string => `m/${machineId}/terms/${number(term)}`;
export const logPrefix = (machineId: string): string => `m/${machineId}/log/`;
export const slotName = (machineId: string, sequence: number): string => `${logPrefix(machineId)}${number(sequence)}`;

export const cataloguePrefix = (machineId: string): string => `m/${machineId}/catalogue/`;

const LAST = 10 ** WIDTH - 1;

/** Counts down, so that a list begins with the newest version. */
export const catalogueName = (machineId: string, version: number): string => `${cataloguePrefix(machineId)}${number(LAST - version)}`;

/** The version in the name of a catalogue object; `undefined` when the name is another. */
export const catalogueVersionOf = (name: string): number | undefined => {
  const digits = /\/catalogue\/(\d{12})$/.exec(name)?.[1];
  return digits === undefined ? undefined : LAST - Number(digits);
};

export const historyPrefix = (machineId: string): string => `m/${machineId}/history/`;
export const historyName = (machineId: string, id: string): string => `${historyPrefix(machineId)}${id}`;
export const runPrefix = (machineId: string): string => `m/${machineId}/runs/`;
export const runName = (machineId: string, id: string): string => `${runPrefix(machineId)}${id}`;
export const partPrefix = (machineId: string): string => `m/${machineId}/parts/`;
export const partName = (machineId: string, id: string): string => `${partPrefix(machineId)}${id}`;

export const holdPrefix = (machineId: string): string => `m/${machineId}/holds/`;
export const holdName = (machineId: string, id: string): string => `${holdPrefix(machineId)}${id}`;

export const scrubPrefix = (machineId: string): string => `m/${machineId}/scrubs/`;

/** Counts down, so that a list begins with the newest one. */
export const scrubName = (machineId: string, record: number): string => `${scrubPrefix(machineId)}${number(LAST - record)}`;

/** The number in the name of a record of scrubbing; `undefined` when the name is another. */
export const scrubNumberOf = (name: string): number | undefined => {
  const digits = /\/scrubs\/(\d{12})$/.exec(name)?.[1];
  return digits === undefined ? undefined : LAST - Number(digits);
};

export const proofPrefix = (machineId: string): string => `m/${machineId}/proofs/`;

/** Counts down, so that a list begins with the newest one. */
export const proofName = (machineId: string, proof: number): string => `${proofPrefix(machineId)}${number(LAST - proof)}`;

/** The number in the name of a proof; `undefined` when the name is another. */
export const proofNumberOf = (name: string): number | undefined => {
  const digits = /\/proofs\/(\d{12})$/.exec(name)?.[1];
  return digits === undefined ? undefined : LAST - Number(digits);
};

const CONTROL_BACKUPS = 'control/backups/';

/** Where backups of configuration servers are: of one installation, or all. */
export const controlBackupPrefix = (siteId?: string): string => CONTROL_BACKUPS + (siteId === undefined ? '' : `${siteId}/`);

/** Counts down, so that a list begins with the newest backup. */
export const controlBackupName = (siteId: string, backup: number): string => `${controlBackupPrefix(siteId)}${number(LAST - backup)}/end`;
export const controlPartName = (siteId: string, backup: number, part: number): string =>
  `${controlBackupPrefix(siteId)}${number(LAST - backup)}/${number(part)}`;

/** What the name of an object of a backup says; `undefined` when the name is another. */
export const controlBackupOf = (
  name: string,
): { readonly siteId: string; readonly number: number; readonly isEnd: boolean } | undefined => {
  const [, siteId, digits, last] = /^control\/backups\/([0-9a-f]{32})\/(\d{12})\/(end|\d{12})$/.exec(name) ?? [];
  return siteId === undefined ? undefined : { siteId, number: LAST - Number(digits), isEnd: last === 'end' };
};

const CONTROL_ADDRESSES = 'control/addresses/';

/** Where configuration servers say how they are reached: those of one certificate authority, or all. */
export const controlAddressesPrefix = (authority?: string): string => CONTROL_ADDRESSES + (authority === undefined ? '' : `${authority}/`);

/** Counts down, so that a list begins with the newest. */
export const controlAddressesName = (authority: string, count: number): string =>
  `${controlAddressesPrefix(authority)}${number(LAST - count)}`;

/** What the name of such an object says; `undefined` when the name is another. */
export const controlAddressesOf = (name: string): { readonly authority: string; readonly number: number } | undefined => {
  const [, authority, digits] = /^control\/addresses\/([0-9a-f]{64})\/(\d{12})$/.exec(name) ?? [];
  return authority === undefined ? undefined : { authority, number: LAST - Number(digits) };
};
