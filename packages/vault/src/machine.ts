import { notYet, type Vault } from './vault.ts';

export interface MachineSummary {
  readonly id: string;
  /** Its name when it was registered; the manifests know later ones. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly registered: number;
}

/** Makes a machine known to the vault; does nothing when it is known already. Resolves to what the vault holds. */
export const registerMachine = async (_vault: Vault, machine: { readonly id: string; readonly name: string }): Promise<MachineSummary> =>
  notYet(machine.id);
