import { Command, Option } from 'commander';
import { checksAnswer } from '../protection/checks-answer.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

interface CheckOptions extends SiteOptions {
  readonly last?: boolean;
}

const HELP = `
The machine and its process server look at everything that a protection needs: disks, kernel, space,
network both ways, versions, clocks, vault, key. docs/support.md lists the checks. Of a protected machine
it is done every twelve hours by itself, and what fails is an alert. Ends with status 1 when something fails.

Examples:
  holdfast machine check db1
  holdfast machine check db1 --last       # what was found last, without looking again`;

export const checkMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('check').description('look whether all is there that its protection needs').argument('<machine>', 'name or id'))
    .addOption(new Option('--last', 'tell what was found last, without looking again'))
    .addHelpText('after', HELP)
    .action((word: string, options: CheckOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const response = await site.machines.checkMachine({ machine: machine.id, last: options.last === true });
        if (!response.passed) surroundings.onFindings();
        return checksAnswer(machine, response);
      }),
    );
