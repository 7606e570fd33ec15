/*
 * Names of the objects of a vault (docs/format.md, "Names"). They hold random ids and numbers and say nothing else. Numbers have a fixed width, so
 * that names sort as numbers do.
 */

const WIDTH = 12;

const number = (value: number): string => String(value).padStart(WIDTH, '0');

export const VAULT_NAME = 'vault';
export const KEY_SLOTS = 'keys/';
export const MACHINES = 'machines/';

export const keySlotName = (slotId: string): string => `${KEY_SLOTS}${slotId}`;
export const machineName = (machineId: string): string => `${MACHINES}${machineId}`;
export const dataKeyName = (machineId: string, epoch: number): string => `m/${machineId}/keys/${number(epoch)}`;
export const termName = (machineId: string, term: number): string => `m/${machineId}/terms/${number(term)}`;
export const logPrefix = (machineId: string): string => `m/${machineId}/log/`;
export const slotName = (machineId: string, sequence: number): string => `${logPrefix(machineId)}${number(sequence)}`;
