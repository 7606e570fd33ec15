import { Command } from 'commander';
import { limitOption } from '../site/limit-option.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { machinesAnswer, readDescriptions } from './machines-answer.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly limit?: number;
}

const HELP = `
RPO is the time since the newest recovery point that is safe in the vault: what would be lost if
the machine were lost now. AGENT tells whether its agent is connected to the configuration server;
replication goes on without that.

Examples:
  holdfast machine list
  holdfast machine list --watch
  holdfast machine list --output json | jq '.[] | select(.rpoSeconds > 900) | .name'`;

export const listMachinesCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the machines and how safe they are'))
    .addOption(limitOption())
    .addOption(watchOption())
    .addHelpText('after', HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) =>
        machinesAnswer(await readDescriptions(site, options.limit), surroundings.now()),
      ),
    );
