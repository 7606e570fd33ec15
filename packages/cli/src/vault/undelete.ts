import { HoldfastError } from '@holdfast/errors';
import { credentialFromEnvironment, type HiddenObject, restoreLocked } from '@holdfast/object-store';
import { Command, Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP } from './with-vault.ts';

interface UndeleteOptions extends OutputOptions {
  readonly store: string;
  readonly dryRun?: true;
}

const HELP = `
Brings back what somebody deleted or overwrote although it is locked (\`vault keep --lock-for\`). A container of
Azure with versions keeps it as an older version until its lock ends; this makes it the current one again, within
the service. What is not locked, or was given up, stays as it is. The credential has to list versions, read and
write; no key is needed. Stop process servers and keepers of the vault first, and see \`vault check\` afterwards.

Examples:
  holdfast vault undelete --store azure:https://acme.blob.core.windows.net/vaults --dry-run

${STORE_HELP}`;

export const undeleteCommand = (surroundings: Surroundings): Command =>
  new Command('undelete')
    .description('bring back what is locked and was deleted or overwritten')
    .addOption(new Option('--store <url>', 'where the vault is (required)').makeOptionMandatory())
    .addOption(new Option('--dry-run', 'only tell what would be brought back'))
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action((options: UndeleteOptions) => undelete(surroundings, options));

const undelete = async (surroundings: Surroundings, options: UndeleteOptions): Promise<void> => {
  const { stop, environment } = surroundings;
  const { store: url, dryRun = false } = options;
  if (!url.startsWith('azure:'))
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: url,
      why: 'this store keeps no versions of what is deleted',
      remedy: 'put what is missing back out of a copy of the vault: `holdfast vault repair --from URL`',
    });
  const found: HiddenObject[] = [];
  const all = async (): Promise<void> => {
    const options = { url, credential: credentialFromEnvironment(environment), dryRun, signal: stop };
    for await (const one of restoreLocked(options)) found.push(one);
  };
  await orStopped(stop, all());
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  const objects = `${found.length} object${found.length === 1 ? '' : 's'}`;
  writeAnswer(surroundings, options, {
    data: { store: url, dryRun, objects: found.map(({ lockedUntil, ...one }) => ({ ...one, lockedUntil: formatTime(lockedUntil) })) },
    people: [
      {
        line:
          found.length === 0
            ? 'Nothing that is locked is missing.'
            : `${objects}, ${formatBytes(bytes)}, ${dryRun ? 'can be brought back' : 'are back; see `holdfast vault check`'}.`,
      },
    ],
  });
};
