import { address, type Command, defineCommand, filePath, list, text, url } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { Settings } from '../settings.ts';
import type { NamedVault, RebuiltMachine } from './rebuild.ts';

const OPTIONS = {
  fromVault: list(url({ schemes: ['file', 'azure'], help: 'A vault' }), { help: 'The vaults, with commas between them', max: 16 }),
  keyFile: list(filePath({ help: 'A key file' }), {
    help: 'The key file of each of them, in the same order; one for all where it is the same',
    max: 16,
  }),
  vaultName: list(text({ help: 'A name' }), {
    help: 'What process servers call each of them in their settings; unless told, the name each was made with',
    max: 16,
  }),
  address: list(address({ help: 'HOST:PORT' }), {
    help: 'Where this server will be reached, with commas between several, for those who look into the vaults; unless told, what the settings say (listen)',
    max: 8,
  }),
};

interface Place {
  readonly url: string;
  readonly keyFile: string;
  readonly name: string | undefined;
}

const wrong = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const placesOf = (urls: readonly string[], keys: readonly string[], names: readonly string[]): readonly Place[] => {
  if (urls.length === 0) throw wrong('option --from-vault', 'it is missing', 'name the vaults');
  if (keys.length !== 1 && keys.length !== urls.length)
    throw wrong('option --key-file', `there are ${keys.length} for ${urls.length} vaults`, 'give one for each, or one for all');
  if (names.length !== 0 && names.length !== urls.length)
    throw wrong('option --vault-name', `there are ${names.length} for ${urls.length} vaults`, 'give one for each, or none');
  return urls.map((place, index) => ({ url: place, keyFile: keys[keys.length === 1 ? 0 : index]!, name: names[index] }));
};

const openPlace = async ({ url: place, keyFile, name }: Place): Promise<NamedVault> => {
  const [{ openStore }, { openVault, readKeyFile }] = await Promise.all([import('@holdfast/object-store'), import('@holdfast/vault')]);
  const key = await readKeyFile(keyFile);
  const store = await openStore(place);
  try {
    const vault = await openVault(store, key);
    return { name: name ?? vault.name, vault };
  } catch (reason) {
    await store.close();
    throw reason;
  }
};

const describe = ({ name, vault, points, newest, state, damage }: RebuiltMachine): readonly string[] => [
  `  ${name}: ${state}, ${points} recovery points in ${vault}${newest === undefined ? '' : `, the newest of ${new Date(newest).toISOString()}`}`,
  ...damage.map((words) => `    damaged: ${words}`),
];

/** `holdfast-configuration-server rebuild --from-vault URL --key-file FILE`: a server without any backup of the one that was lost. */
export const rebuildCommand: Command<Settings> = defineCommand<Settings, typeof OPTIONS>({
  summary: 'Fills an empty state directory from what vaults know, without any backup.',
  options: OPTIONS,
  notes:
    'Machines, what they were, terms and failovers come out of the vaults; people, policies and the certificate authority are new. Process servers and agents join anew with tokens; ' +
    'process servers that lost the old one read its address in the vaults and say so in their log, but believe nobody with another authority by themselves; ' +
    'a machine keeps its id, known by its network cards. Whether a machine may replicate is written in its vault, so that one that was failed over and comes back first sends nothing.',
  async run({ options, settings, stateDirectory, print, log }) {
    const [{ rebuild }, { tellVaults }] = await Promise.all([import('./rebuild.ts'), import('../backup/tell-vault.ts')]);
    const places = placesOf(options.fromVault, options.keyFile, options.vaultName);
    const vaults: NamedVault[] = [];
    try {
      for (const place of places) vaults.push(await openPlace(place));
      const directory = await stateDirectory();
      const machines = await rebuild({ vaults, stateDirectory: directory, log });
      print(`Rebuilt a configuration server that knows ${machines.length} machines into ${directory}:`);
      for (const machine of machines) for (const line of describe(machine)) print(line);
      const stores = vaults.map(({ vault }) => vault.store);
      await tellVaults({ stores, stateDirectory: directory, settings, named: options.address, print });
      print('Start it now; the token of its administrator is in administrator.token there. Then join process servers and agents anew');
      print('(holdfast token create prints the lines). Nothing replicates, is thinned or deleted until the vaults were compared:');
      print('holdfast restore status, holdfast restore confirm.');
      return 0;
    } finally {
      for (const { vault } of vaults) await vault.close().catch(() => undefined);
    }
  },
});
