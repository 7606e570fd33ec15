import { Command, Option } from 'commander';
import { chooseResource } from '../choose/choose-resource.ts';
import { readDescriptions } from '../machine/machines-answer.ts';
import { limitOption } from '../site/limit-option.ts';
import { MACHINE } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { disksPart } from './disks-part.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly machine?: string;
  readonly limit?: number;
}

const HELP = `
PHASE is copying (the first copy), resynchronizing (its tracking began anew), replicating (all is
well), tracking (changes are remembered, but no points are made until there is room again),
unprotected, or excluded. COPIED tells how far a copy is.

Examples:
  holdfast disk list
  holdfast disk list --machine db1 --watch`;

export const listDisksCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list disks, their sizes and what happens to them'))
    .addOption(new Option('-m, --machine <machine>', 'those of one machine: name or id'))
    .addOption(limitOption())
    .addOption(watchOption())
    .addHelpText('after', HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machines = await readDescriptions(site);
        const meant = options.machine === undefined ? machines : [chooseResource(machines, options.machine, MACHINE)];
        const disks = meant
          .flatMap(({ id: machineId, name: machine, disks }) => disks.map((disk) => ({ machine, machineId, ...disk })))
          .slice(0, options.limit);
        return { data: disks, people: disks.length === 0 ? [{ line: 'No disk is known.' }] : [disksPart(disks)] };
      }),
    );
