import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Forgets a machine that is not protected, and revokes its certificate. Its history in the vault stays
as it is: \`holdfast recover\` finds it there.

With --force also one that is protected and does not come back: its protection ends with it, after asking.

Examples:
  holdfast unprotect db1 --wait && holdfast machine remove db1
  holdfast machine remove db1 --force`;

export const removeMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('remove').description('forget a machine that is not protected').argument('<machine>', 'name or id'))
    .addOption(new Option('--force', 'also when it is protected'))
    .addOption(yesOption())
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions & ConfirmOptions & { readonly force?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findMachine(site, word);
        if (options.force === true)
          await confirm(
            surroundings,
            options,
            [
              `FORGET the machine ${name}`,
              '  stays      its history in the vault, for `holdfast recover`',
              '  ends       its membership, and its protection where it has one: it comes back with a new token only, and is copied anew',
            ],
            name,
          );
        await site.machines.removeMachine({ machine: id, version, force: options.force ?? false });
        return {
          data: { id, name, removed: true },
          people: [{ line: `Machine ${name} (${id}) is forgotten; its certificate counts no more.` }],
        };
      }),
    );
