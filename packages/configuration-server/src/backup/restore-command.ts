import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { address, type Command, defineCommand, filePath, flag, integer, list, text, url } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import type { Settings } from '../settings.ts';

const OPTIONS = {
  from: filePath({ optional: true, help: 'The backup, a file' }),
  fromVault: url({
    optional: true,
    schemes: ['file', 'azure'],
    help: 'Or the vault whose newest backup it is; the right to read it is enough',
  }),
  address: list(address({ help: 'HOST:PORT' }), {
    help: 'Where members will reach this server, with commas between several; unless told, what the settings say (listen)',
    max: 8,
  }),
  tellVault: list(url({ schemes: ['file', 'azure'], help: 'A vault' }), {
    help: 'Vaults to tell these addresses, beside the one of --from-vault: process servers that lost the old server look there',
    max: 16,
  }),
  site: text({ optional: true, help: 'Id of the installation, where the vault holds backups of several' }),
  backup: integer({
    default: '0',
    min: 0,
    max: 999_999_999_999,
    help: 'Number of the backup of --from-vault, where the newest is not what it should be: somebody may have put it there; 0: the newest',
  }),
  compromised: flag({
    default: false,
    help: 'Somebody may have the key of the authority in it: another one is made before anybody is served, and everybody joins and logs in anew',
  }),
  passphraseFile: filePath({ optional: true, help: 'File with its passphrase, where it does not come by standard input' }),
};

interface Source {
  readonly thing: string;
  readonly content: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

const fromFile = (file: string): Source => ({ thing: file, content: createReadStream(file), close: async () => undefined });

const fromVault = async (place: string, site: string | undefined, chosen: number, print: (line: string) => void): Promise<Source> => {
  const [{ openStore }, { listControlBackups, newestControlBackups, readControlBackup }] = await Promise.all([
    import('@holdfast/object-store'),
    import('@holdfast/vault'),
  ]);
  const store = await openStore(place);
  const close = (): Promise<void> => store.close();
  try {
    const all = await newestControlBackups(store);
    const found = site === undefined ? all : all.filter(({ siteId }) => siteId === site);
    const [newest] = found;
    if (newest === undefined || found.length > 1)
      throw new HoldfastError('OBJECT_NOT_FOUND', {
        thing: place,
        why:
          newest === undefined
            ? 'it holds no backup of such a configuration server'
            : `it holds backups of ${found.length} installations: ${found.map(({ siteId, put }) => `${siteId} of ${new Date(put).toISOString()}`).join(', ')}`,
        remedy: newest === undefined ? 'use another vault or a file, or rebuild --from-vault without any backup' : 'choose one by --site',
      });
    const there = await listControlBackups(store, newest.siteId);
    const backup = chosen === 0 ? newest : there.find(({ number }) => number === chosen);
    if (there.length > 1)
      for (const { number, put, bytes } of there)
        print(`Backup ${number} of ${new Date(put).toISOString()}, ${bytes} bytes (--backup ${number})`);
    if (backup === undefined)
      throw new HoldfastError('OBJECT_NOT_FOUND', {
        thing: `${place}, backup ${chosen}`,
        why: `installation ${newest.siteId} has no whole backup of that number among those that are named`,
        remedy: 'choose one of these by --backup',
      });
    print(
      `${chosen === 0 ? 'The newest backup there' : `Backup ${chosen}`} is of ${new Date(backup.put).toISOString()}, ${backup.bytes} bytes, of installation ${backup.siteId}.`,
    );
    return { thing: `${place}, backup ${backup.number}`, content: readControlBackup(store, backup), close };
  } catch (reason) {
    await close();
    throw reason;
  }
};

/** What becomes of the certificate authority. Nothing in a backup tells that its key became known later: people have to. */
const authorityWords = (fingerprint: string, compromised: boolean, later: readonly string[]): readonly string[] =>
  compromised
    ? [
        'Start the server now. It makes another certificate authority before it serves anybody, and says its fingerprint in its log: process servers',
        'and agents join anew with tokens, process servers first, and everybody logs in anew by that fingerprint.',
      ]
    : [
        ...later.map(
          (one) =>
            `ANOTHER AUTHORITY than those of this backup, ${one}, signed in these vaults since it was made: this backup is older than a replacement.`,
        ),
        `Start the server now. Its certificate authority is that of the backup, ${fingerprint}, so that members know it again; those that do not find`,
        'its new address are told by use-server of holdfast-agent and holdfast-process-server. If it was replaced since because its key may be known',
        '(holdfast authority rotate --compromised), do not: move this state away, and restore again with --compromised true, or a later backup.',
      ];

/** `holdfast-configuration-server restore --from FILE | --from-vault URL`: an empty state directory becomes that of the server the backup was made of. */
export const restoreCommand: Command<Settings> = defineCommand<Settings, typeof OPTIONS>({
  summary: 'Fills an empty state directory from a backup.',
  options: OPTIONS,
  notes:
    'The passphrase is read from standard input, or asked for on a terminal. Members go on by themselves: at an address that the old server had or told them of (listen.addresses), or at the one that vaults were told, which process servers read there and pass on to their machines. Telling a vault takes the right to create there. ' +
    'Join tokens and sign-ins are not taken over, and an administrator gets another token; what was changed since the backup has to be changed again.',
  async run({ options, settings, readSecret, stateDirectory, print }) {
    const { restore } = await import('./restore.ts');
    const given =
      options.passphraseFile === undefined
        ? await readSecret('Passphrase')
        : await readFile(options.passphraseFile, 'utf8').catch((reason: unknown) => {
            throw fromSystem(reason, options.passphraseFile!);
          });
    const passphrase = given?.trim() ?? '';
    if (passphrase === '')
      throw new HoldfastError('SETTING_INVALID', {
        thing: 'passphrase',
        why: 'there is none',
        remedy: 'give it by standard input or --passphrase-file',
      });
    const { from, fromVault: place } = options;
    if ((from === undefined) === (place === undefined))
      throw new HoldfastError('SETTING_INVALID', {
        thing: 'options --from and --from-vault',
        why: from === undefined ? 'neither is given' : 'both are given',
        remedy: 'give one of them',
      });
    const source = from === undefined ? await fromVault(place!, options.site, options.backup, print) : fromFile(from);
    const directory = await stateDirectory();
    const { thing, content } = source;
    const { compromised } = options;
    const { head, records, fingerprint } = await restore({ content, passphrase, thing, stateDirectory: directory, compromised }).finally(
      source.close,
    );
    print(`Restored ${records} records of ${new Date(head.made).toISOString()} (version ${head.software}) into ${directory}.`);
    print(
      'A token of an administrator is in administrator.token there; revoke it (holdfast access revoke administrator-restored) when it is not needed.',
    );
    const { openStore } = await import('@holdfast/object-store');
    const { laterAuthorities, tellVaults } = await import('./tell-vault.ts');
    const stores: ObjectStore[] = [];
    let laterThan: readonly string[] = [];
    try {
      for (const vault of [...(place === undefined ? [] : [place]), ...options.tellVault]) stores.push(await openStore(vault));
      laterThan = await laterAuthorities({ stores, stateDirectory: directory, made: head.made, print });
      // Whoever believes the one that is known shall not come by it.
      if (!compromised) await tellVaults({ stores, stateDirectory: directory, settings, named: options.address, print });
    } finally {
      for (const store of stores) await store.close();
    }
    for (const line of authorityWords(fingerprint, compromised, laterThan)) print(line);
    print(
      'Members keep what they were told before until this server knows what was decided since: holdfast restore status, holdfast restore confirm.',
    );
    return 0;
  },
});
