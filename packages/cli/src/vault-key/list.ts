import { listHolders, type Vault, type VaultHolder } from '@holdfast/vault';
import { Command } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { shortId } from '../choose/choose-resource.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';

const HELP = `
A holder is a key that opens the vault. STATE: \`holder\`; \`missing\`, its key slot was lost, a recovery
kit still opens the vault for it; \`unlisted\`, it opens the vault, and whoever added it did not come to
list it; \`void\`, what is left of one that was taken back. KEY EPOCH of a machine: its newest data key.

Example:
  holdfast vault key list --vault file:/srv/vault --key-file office.key

${STORE_HELP}`;

export const listKeysCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('list').description('list who can open the vault'))
    .addHelpText('after', HELP)
    .action((options: VaultOptions) => withVault(surroundings, options, (vault) => list(surroundings, options, vault)));

const list = async (surroundings: Surroundings, options: VaultOptions, vault: Vault): Promise<void> => {
  const { stop } = surroundings;
  const holders = await orStopped(stop, listHolders(vault));
  const machines: { id: string; name: string; keyEpoch: number }[] = [];
  for (const { id, name } of await orStopped(stop, vault.machines()))
    machines.push({ id, name, keyEpoch: await orStopped(stop, vault.keys.newestEpoch(id)) });
  writeAnswer(surroundings, options, {
    data: {
      id: vault.id,
      name: vault.name,
      fingerprint: vault.fingerprint,
      rootKeys: vault.keys.rootGeneration,
      holders: holders.map((holder) => ({ ...holder, added: formatTime(holder.added) })),
      machines,
    },
    people: [
      { line: `Vault ${vault.name} (${vault.id}), fingerprint ${vault.fingerprint}` },
      { line: '' },
      {
        columns: [
          { heading: 'HOLDER' },
          { heading: 'KEY', shrink: true },
          { heading: 'LABEL', shrink: true },
          { heading: 'ADDED', optional: true },
          { heading: 'STATE' },
        ],
        rows: holders.map((holder) => [
          shortId(holder.id, holders),
          keyWords(holder),
          holder.label,
          formatTime(holder.added),
          [holder.state, ...(holder.own ? ['(opened by)'] : [])].join(' '),
        ]),
      },
      ...(machines.length === 0
        ? []
        : [
            { line: '' },
            {
              columns: [
                { heading: 'MACHINE', shrink: true },
                { heading: 'ID', shrink: true },
                { heading: 'KEY EPOCH', right: true },
              ],
              rows: machines.map(({ id, name, keyEpoch }) => [machineLabel({ id, name }), id, String(keyEpoch)]),
            },
          ]),
    ],
  });
  if (holders.some(({ damage }) => damage !== undefined)) surroundings.onFindings();
};

const keyWords = ({ kind, cost, keyId, damage }: VaultHolder): string => {
  if (damage !== undefined) return `damaged: ${damage.why}`;
  if (kind === 'passphrase' && cost !== undefined) return `passphrase (scrypt N=2^${cost.logN}, r=${cost.r}, p=${cost.p})`;
  if (kind === 'key-vault') return keyId ?? 'key vault';
  return kind === 'key-file' ? 'key file' : '';
};
