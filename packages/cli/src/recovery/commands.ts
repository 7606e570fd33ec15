import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { parseCount } from '../parse-count.ts';
import { required } from '../site/required.ts';
import { findMachine } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeRecovery, recoveriesAnswer, recoveryAnswer } from './describe-recovery.ts';
import { findCommitted, findRecovered, findRecovery, readRecoveries } from './find-recovery.ts';

interface ListOptions extends SiteOptions, WatchOptions {
  readonly machine?: string;
  readonly open?: true;
  readonly limit: number;
}

const LIST_HELP = `
Test failovers and failovers, newest first: those that run, and those there were.

Examples:
  holdfast recovery list --open
  holdfast recovery list --machine db1 --output json`;

const SHOW_HELP = `
RECOVERY is its id, the first two or more digits of it, or a machine of which one runs.

Examples:
  holdfast recovery show db1 --watch`;

export const listRecoveriesCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').alias('ls').description('list test failovers and failovers'))
    .addOption(new Option('-m, --machine <machine>', 'those of one machine: name or id'))
    .addOption(new Option('--open', 'those that have not ended'))
    .addOption(new Option('--limit <count>', 'recoveries at most').argParser(parseCount).default(20))
    .addOption(watchOption())
    .addHelpText('after', LIST_HELP)
    .action((options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = options.machine === undefined ? '' : (await findMachine(site, options.machine)).id;
        const found = await readRecoveries(site, { machine, open: options.open === true }, options.limit);
        return recoveriesAnswer(found.map(describeRecovery));
      }),
    );

export const showRecoveryCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one').argument('<recovery>', 'id, or machine'))
    .addOption(watchOption())
    .addHelpText('after', SHOW_HELP)
    .action((word: string, options: SiteOptions & WatchOptions) =>
      answerFromSite(surroundings, options, async (site) => recoveryAnswer(describeRecovery(await findRecovery(site, word)))),
    );

const START_HELP = `
A machine that its own system switched off stays off: this switches it on again, over what it had written. By the
name of a machine its failover is meant, and a test of it only where there is none.

Examples:
  holdfast recovery start db1 --wait`;

export const startRecoveryCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('start').description('switch its machine on again').argument('<recovery>', 'id, or machine'))
    .addOption(waitOption())
    .addHelpText('after', START_HELP)
    .action((word: string, options: SiteOptions & WaitOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, machineId, machineName } = await findRecovered(site, word);
        const { job } = await site.recoveries.startMachine({ recovery: id });
        return jobResult(surroundings, site, options, required(job, word), { id: machineId, name: machineName });
      }),
    );

const FORGET_HELP = `
Of what was committed: the machine runs on as it is, its disks stay where they are, and nobody looks after it any
more. It is not switched on again when its host was down, and no command reaches it; its disks are qcow2 images
that any QEMU can start, and what it prints goes on being appended to console.log beside them. That its source is
fenced stays known.

Examples:
  holdfast recovery forget db1 --wait`;

export const forgetRecoveryCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('forget').description('leave a committed machine to its owner').argument('<recovery>', 'id, or machine'))
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText('after', FORGET_HELP)
    .action((word: string, options: SiteOptions & WaitOptions & ConfirmOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, machineId, machineName, report } = await findCommitted(site, word);
        const place = report?.machine?.console ?? '';
        await confirm(
          surroundings,
          options,
          [
            `FORGET the recovered machine ${machineName}`,
            `  stays      the machine as it is, and its disks${place === '' ? '' : `, beside ${place}`}`,
            '  ends       that it is looked after: it is not switched on again with its host, and no command reaches it',
          ],
          machineName,
        );
        const { job } = await site.recoveries.forgetRecovery({ recovery: id });
        return jobResult(surroundings, site, options, required(job, word), { id: machineId, name: machineName });
      }),
    );
