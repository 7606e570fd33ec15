import type { Anchor } from './head.ts';
import type { MachineHistory } from './history.ts';
import { notYet, type Vault } from './vault.ts';

export interface ReadMachineOptions {
  /** A slot that must still be there, else VAULT_ROLLED_BACK. */
  readonly anchor?: Anchor;
}

/** Reads the log of a machine. Errors: MACHINE_NOT_FOUND, VAULT_ROLLED_BACK. Needs no right but to read. */
export const readMachine = async (_vault: Vault, machineId: string, _options: ReadMachineOptions = {}): Promise<MachineHistory> =>
  notYet(machineId);
