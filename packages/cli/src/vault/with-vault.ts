import { parseBytes } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { withThrottle } from '@holdfast/object-store';
import { type MachineHistory, openVault, readMachine, type Vault } from '@holdfast/vault';
import { type Command, Option } from 'commander';
import { chooseMachine } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { type OutputOptions, outputOption } from '../output/answer.ts';
import { type KeyOptions, keyOptions, type ReadKey, readVaultKey } from '../secrets/vault-key.ts';
import type { Surroundings } from '../surroundings.ts';

/** What every command on an existing vault is told. */
export interface VaultOptions extends KeyOptions, OutputOptions {
  readonly vault: string;
}

/** Says how stores are named, under the help of commands that take one. */
export const STORE_HELP = `Where a vault is:
  file:/srv/vault
    a folder
  azure:https://ACCOUNT.blob.core.windows.net/CONTAINER
    an Azure container; the right to it comes from AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or
    AZURE_STORAGE_CONNECTION_STRING (each also with _FILE behind it, for the path of a file), else from
    the managed identity of the machine or \`az login\``;

export const vaultOptions = (command: Command): Command => {
  command.addOption(new Option('--vault <url>', 'where the vault is (required)').makeOptionMandatory());
  for (const option of keyOptions()) command.addOption(option);
  return command.addOption(outputOption());
};

/** The same for a command with others below it, which looks itself whether the vault was named. */
export const optionalVaultOptions = (command: Command): Command => {
  command.addOption(new Option('--vault <url>', 'where the vault is (required)'));
  for (const option of keyOptions()) command.addOption(option);
  return command.addOption(outputOption());
};

export const machineOption = (): Option => new Option('-m, --machine <machine>', 'name or id; not needed when the vault holds one machine');
export const machinesOption = (): Option => new Option('-m, --machine <machine>', 'name or id; all unless told');
export const pointOption = (): Option =>
  new Option('-p, --point <point>', 'id or its beginning, latest, or a time: the newest at or before it').default('latest');

export const paceOption = (): Option =>
  new Option('--pace <bytes>', 'bytes a second to read, and to write, at most, such as 20MiB (default: as fast as it goes)').argParser(
    parsePace,
  );

/** Opens the vault for as long as `work` takes, with a key that was read before or is read now; with a pace, no faster than that. */
export const withVault = async <T>(
  surroundings: Surroundings,
  options: VaultOptions & { readonly pace?: number },
  work: (vault: Vault) => Promise<T>,
  read?: ReadKey,
): Promise<T> => {
  const { key, slots } = read ?? (await readVaultKey(surroundings, options));
  const bare = await surroundings.openStore(options.vault);
  const store = options.pace === undefined ? bare : withThrottle(bare, { bytesPerSecond: options.pace });
  let vault: Vault;
  try {
    vault = await orStopped(surroundings.stop, openVault(store, key, { slots }));
  } catch (reason) {
    await store.close();
    throw reason;
  }
  return work(vault).finally(() => vault.close());
};

/** The history of the one machine that is meant; damage in its log is told. */
export const readChosenMachine = async (
  { stop, stderr }: Surroundings,
  vault: Vault,
  word: string | undefined,
): Promise<MachineHistory> => {
  const { id } = chooseMachine(await orStopped(stop, vault.machines()), word);
  const history = await orStopped(stop, readMachine(vault, id));
  // Newer points may be hidden behind the damage: who recovers must know.
  for (const { object, why } of history.damage)
    stderr.write(`[DAMAGED] ${object}: ${why}; points made after it cannot be seen, those before are whole\n`);
  return history;
};

/** The histories of the machine that is meant, or of all. */
export const readMachines = async ({ stop }: Surroundings, vault: Vault, word: string | undefined): Promise<MachineHistory[]> => {
  const machines = await orStopped(stop, vault.machines());
  const meant = word === undefined ? machines : [chooseMachine(machines, word)];
  const histories: MachineHistory[] = [];
  for (const { id } of meant) histories.push(await orStopped(stop, readMachine(vault, id)));
  return histories;
};

const parsePace = (text: string): number => {
  try {
    const pace = parseBytes(text);
    if (pace > 0) return pace;
  } catch {
    // Told below.
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: 'it is no number of bytes a second',
    remedy: 'give one like 500KiB or 20MiB',
  });
};
