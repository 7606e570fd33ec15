import { HoldfastError } from '@holdfast/errors';
import { Command } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { required } from '../site/required.ts';
import { findMachine, readProtections } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Ends the replication of a machine, after asking. The points made until then stay in the vault; protected again, it
is copied anew behind them.

Examples:
  holdfast unprotect db1 --wait
  holdfast unprotect db1 --yes`;

export const unprotectCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('unprotect').description('end the protection of a machine').argument('<machine>', 'name or id'))
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions & WaitOptions & ConfirmOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const protection = (await readProtections(site)).find(({ machineId }) => machineId === machine.id);
        if (protection === undefined)
          throw new HoldfastError('MACHINE_NOT_PROTECTED', {
            thing: `machine ${machine.name}`,
            why: 'it is not protected',
            remedy: 'see `holdfast machine list`',
          });
        await confirm(
          surroundings,
          options,
          [
            `END THE PROTECTION of ${machine.name}`,
            `  stays      its recovery points in vault ${protection.vault}`,
            '  ends       its replication: what changes from now on is in no recovery point; protected again, it is copied anew',
          ],
          machine.name,
        );
        const { job } = await site.protections.unprotect({ machine: machine.id, version: protection.version });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );
