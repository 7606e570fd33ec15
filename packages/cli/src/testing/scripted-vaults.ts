import { create } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { type Vault, VaultSchema, VaultService } from '@holdfast/protocol';
import { conflict, page, type Script } from './script.ts';

/** Vaults out of the script. */
export const vaultRoutes = (router: ConnectRouter, script: Script): void => {
  const change = (id: string, version: bigint, to: (vault: Vault) => Partial<Vault>): Vault => {
    const at = script.vaults.findIndex((vault) => vault.id === id);
    const before = script.vaults[at];
    if (before?.version !== version) throw conflict(`vault ${id}`);
    const changed = create(VaultSchema, { ...before, ...to(before), version: version + 1n });
    script.vaults[at] = changed;
    return changed;
  };
  router.service(VaultService, {
    listVaults: (request) => {
      const { rows, nextPageToken } = page(script.vaults, request);
      return { vaults: rows.map((vault) => create(VaultSchema, { ...vault, machinesWithin: [], usedBy: [] })), nextPageToken };
    },
    getVault: ({ vault }) => ({ vault: script.vaults.find(({ id }) => id === vault)! }),
    renameVault: ({ vault, version, name }) => ({ vault: change(vault, version, () => ({ name })) }),
    decommissionVault: ({ vault, version, force }) => {
      const bound = script.vaults.find(({ id }) => id === vault)!.machinesWithin.map(({ machineName }) => machineName);
      if (bound.length > 0 && !force)
        throw new HoldfastError('VAULT_IN_USE', {
          thing: `vault ${vault}`,
          why: `${bound.join(', ')} is protected into it`,
          remedy: 'unprotect',
        });
      const given = { decommissionedUnixMillis: 1n, decommissionedBy: 'me', machines: 0, machinesWithin: [] };
      return { vault: change(vault, version, () => given), unprotected: bound };
    },
    readmitVault: ({ vault, version }) => ({
      vault: change(vault, version, () => ({ decommissionedUnixMillis: 0n, decommissionedBy: '' })),
    }),
  });
};
