import type { GetReconciliationResponse } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import type { Answer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const STATUS_HELP = `
A configuration server that was restored from a backup, or rebuilt from vaults, does not know what was decided
since. Until it knows, machines and process servers keep what they were told before, nothing is thinned and no
job goes on. Process servers tell it what they hold and what the vaults say; the rest is listed here.

Example:
  holdfast restore status`;

const SOURCE: Readonly<Record<string, string>> = { backup: 'a backup', vault: 'vaults' };

const list = (title: string, lines: readonly string[]): Answer['people'] =>
  lines.length === 0 ? [] : [{ line: title }, ...lines.map((line) => ({ line: `  ${line}` }))];

const statusAnswer = ({ waiting, from, madeUnixMillis, missing, differences, backups }: GetReconciliationResponse): Answer => {
  const made = Number(madeUnixMillis);
  const state =
    from === ''
      ? 'This configuration server was never restored.'
      : `It was restored from ${SOURCE[from] ?? from} of ${formatTime(made)}, and ${waiting ? 'waits until it knows what was decided since.' : 'knows what it has to.'}`;
  const kept = backups.map(
    ({ vault, unixMillis, problemCode, problem }) =>
      `${vault}: ${unixMillis === 0n ? 'none yet' : formatTime(Number(unixMillis))}${problemCode === '' ? '' : `, ${problemCode} ${problem}`}`,
  );
  return {
    data: {
      waiting,
      from,
      made: from === '' ? undefined : new Date(made).toISOString(),
      missing,
      differences,
      backups: backups.map(({ vault, unixMillis, problemCode, problem }) => ({
        vault,
        put: unixMillis === 0n ? undefined : new Date(Number(unixMillis)).toISOString(),
        ...(problemCode === '' ? {} : { problemCode, problem }),
      })),
    },
    people: [
      { line: state },
      ...list('Not known yet:', missing),
      ...list('Different from what it knows:', differences),
      ...list('Newest backups of it in vaults:', kept),
    ],
  };
};

export const restoreStatusCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('status').description('tell whether the configuration server was restored, and what it waits for'))
    .addHelpText('after', STATUS_HELP)
    .action((options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => statusAnswer(await site.backups.getReconciliation({}))),
    );

const CONFIRM_HELP = `
From then on machines and process servers are told what the configuration server wants of them. Refused while
something is not known or differs, unless forced, after asking: a machine whose protection it does not know stops then.

Examples:
  holdfast restore confirm
  holdfast restore confirm --force`;

export const confirmRestoreCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('confirm').description('say that what the restored configuration server knows is what shall be'))
    .addOption(new Option('--force', 'although something is not known, or differs'))
    .addOption(yesOption())
    .addHelpText('after', CONFIRM_HELP)
    .action((options: SiteOptions & ConfirmOptions & { readonly force?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        if (options.force === true) {
          const { missing, differences } = await site.backups.getReconciliation({});
          await confirm(
            surroundings,
            options,
            [
              'END THE WAIT of a restored configuration server',
              ...[...missing, ...differences].map((line) => `  unsettled  ${line}`),
              '  ends       the protection of machines whose protection it does not know',
            ],
            'restore',
          );
        }
        await site.backups.confirmRestore({ force: options.force ?? false });
        return { data: { confirmed: true }, people: [{ line: `${site.server} steers again: everybody is told what it wants.` }] };
      }),
    );
