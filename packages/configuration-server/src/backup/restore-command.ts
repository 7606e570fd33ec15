import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Command, defineCommand, filePath } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Settings } from '../settings.ts';

const OPTIONS = {
  from: filePath({ help: 'The backup' }),
  passphraseFile: filePath({ optional: true, help: 'File with its passphrase, where it does not come by standard input' }),
};

/** `holdfast-configuration-server restore --from FILE`: an empty state directory becomes that of the server the backup was made of. */
export const restoreCommand: Command<Settings> = defineCommand<Settings, typeof OPTIONS>({
  summary: 'Fills an empty state directory from a backup.',
  options: OPTIONS,
  notes:
    'The passphrase is read from standard input, or asked for on a terminal. Members go on by themselves where the new server is reached by the name or address that the old one had. ' +
    'Join tokens and sign-ins are not taken over; what was changed since the backup has to be changed again.',
  async run({ options, readSecret, stateDirectory, print }) {
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
    const directory = await stateDirectory();
    const { head, records } = await restore({
      content: createReadStream(options.from),
      passphrase,
      thing: options.from,
      stateDirectory: directory,
    });
    print(`Restored ${records} records of ${new Date(head.made).toISOString()} (version ${head.software}) into ${directory}.`);
    print('Start the server now. Its certificate authority is the same, so members know it again.');
    return 0;
  },
});
