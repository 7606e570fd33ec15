import { PointKind } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { required } from '../site/required.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

interface PointOptions extends SiteOptions, WaitOptions {
  readonly application?: boolean;
  readonly filesystem?: boolean;
}

const HELP = `
Makes a recovery point now, besides those that the policy makes. All points can be started from as after
a power loss. For one with --filesystem the file systems of the machine are frozen for a moment; with
--application the scripts in its /etc/holdfast/app-consistency.d ask applications to hold still before.
When that does not succeed a point of a lesser kind is made, and the job fails and says why.

Examples:
  holdfast machine point db1 --wait
  holdfast machine point db1 --application --wait`;

export const makePointCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('point').description('make a recovery point now').argument('<machine>', 'name or id'))
    .addOption(new Option('--application', 'with applications and file systems at rest').conflicts('filesystem'))
    .addOption(new Option('--filesystem', 'with file systems at rest'))
    .addOption(waitOption())
    .addHelpText('after', HELP)
    .action((word: string, options: PointOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const { job } = await site.protections.makePoint({ machine: machine.id, kind: kindOf(options) });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

const kindOf = ({ application, filesystem }: PointOptions): PointKind =>
  application === true ? PointKind.APPLICATION : filesystem === true ? PointKind.FILESYSTEM : PointKind.CRASH;
