import { Command, Option } from 'commander';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { required } from '../site/required.ts';
import { findMachine, findServer } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Replicates a machine through another process server from now on. Nothing is lost on the way, and nothing is
copied again. Machines of a server that is drained or lost are moved by themselves.

Examples:
  holdfast machine move db1 --wait
  holdfast machine move db1 --process-server ps2`;

export const moveMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('move').description('replicate a machine through another process server').argument('<machine>', 'name or id'))
    .addOption(new Option('--process-server <server>', 'which one: name or id (default: chosen by load)'))
    .addOption(waitOption())
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions & WaitOptions & { readonly processServer?: string }) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const processServer = options.processServer === undefined ? '' : (await findServer(site, options.processServer)).id;
        const { job } = await site.protections.move({ machine: machine.id, processServer });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );
