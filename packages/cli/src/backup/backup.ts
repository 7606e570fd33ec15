import { open, rename, rm } from 'node:fs/promises';
import { fromSystem } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { formatBytes } from '../output/format.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Writes everything the configuration server keeps into a file: members, policies, people, events, and its
certificate authority; not what is in vaults. The file is encrypted with the passphrase that stands in the
server's settings (backup.passphrase-file): keep that one elsewhere too. To take it up again, on a server
without state: holdfast-configuration-server restore --from FILE.

Example:
  holdfast backup --to /mnt/elsewhere/holdfast.backup`;

/** Writes a stream into a file that is there whole or not at all. Gives its bytes. */
const write = async (file: string, parts: AsyncIterable<Uint8Array>): Promise<number> => {
  const temporary = `${file}.part`;
  let bytes = 0;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      for await (const part of parts) {
        await handle.write(part);
        bytes += part.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (reason) {
    await rm(temporary, { force: true });
    throw fromSystem(reason, file);
  }
  return bytes;
};

export const backupCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('backup').description('write a backup of the configuration server'))
    .addOption(new Option('--to <file>', 'where to (required)').makeOptionMandatory())
    .addHelpText('after', HELP)
    .action((options: SiteOptions & { readonly to: string }) =>
      answerFromSite(surroundings, options, async (site) => {
        async function* parts(): AsyncGenerator<Uint8Array> {
          for await (const { part } of site.backups.createBackup({})) yield part;
        }
        const bytes = await write(options.to, parts());
        return {
          data: { file: options.to, bytes },
          people: [{ line: `${options.to} holds a backup of ${site.server}, ${formatBytes(bytes)}.` }],
        };
      }),
    );
