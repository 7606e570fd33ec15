import { HoldfastError } from '@holdfast/errors';
import { Direction, type Machine } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { formatSeconds } from '../output/format.ts';
import { describePoint, type PointDescription } from '../recovery/describe-recovery.ts';
import { required } from '../site/required.ts';
import { findMachine, findServer } from '../site/resources.ts';
import type { Site } from '../site/site.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { requirePossible } from './require-possible.ts';

interface PlaceOptions extends SiteOptions, WaitOptions {
  readonly point?: string;
  readonly network?: string;
  readonly size?: string;
  readonly processServer?: string;
}

interface StartOptions extends PlaceOptions, ConfirmOptions {
  readonly shutdownSource?: true;
  readonly force?: true;
  readonly planned?: true;
}

interface NextOptions extends SiteOptions, WaitOptions, ConfirmOptions {
  readonly point: string;
  readonly handOver?: true;
}

interface CleanUpOptions extends SiteOptions, WaitOptions {
  readonly notes?: string;
  readonly handOver?: true;
}

const POINT_HELP = `POINT is latest-processed (the newest in the vault), latest-filesystem, latest-application, the beginning
of an id that \`holdfast point list\` tells, or a time with its zone: the newest at or before it.`;

const TEST_HELP = `
Starts a copy of the machine, isolated from everything, from a point of its history. Replication goes on
untouched, and the source notices nothing. \`holdfast recovery show MACHINE\` tells where its console is;
\`holdfast failover cleanup MACHINE\` removes all of it.

${POINT_HELP}

Examples:
  holdfast failover test db1 --wait
  holdfast failover test db1 --point latest-application --wait
  holdfast failover cleanup db1 --notes 'the ledger was whole' --wait`;

const START_HELP = `
Moves the machine to the recovery site: its source is fenced and sends nothing any more, and it runs from
a point. Nothing is final until \`failover commit\`: until then \`failover change-point\` takes another point and
\`failover cancel\` takes all of it back, without a resynchronization.

With the point "latest" (the default) what is on its way arrives first. With --shutdown-source too the source
is brought to rest and powered off before: nothing is lost. That is what others call a planned failover.

${POINT_HELP}

Examples:
  holdfast failover start db1 --wait
  holdfast failover start db1 --shutdown-source --point latest --wait
  holdfast failover start db1 --point 2026-11-22T01:02:03Z --yes`;

const placed = (command: Command, point: string): Command =>
  siteOptions(command)
    .addOption(new Option('-p, --point <point>', `which point (default: ${point})`))
    .addOption(new Option('--network <network>', 'bridge of the process server (br0), isolated, or none (default: as the protection says)'))
    .addOption(new Option('--size <size>', 'processors and memory like 4x8GiB, or same (default: as the protection says)'))
    .addOption(new Option('--process-server <server>', 'which one runs it: name or id (default: chosen)'))
    .addOption(waitOption());

/** For a process server that is gone, or away for too long. */
const handOverOption = (): Option =>
  new Option('--hand-over', 'another process server goes on, since its own is not there; that one removes what it runs when it comes back');

const handedOver = ({ handOver }: Pick<NextOptions, 'handOver'>): readonly string[] =>
  handOver === true ? ['  handed on  to another process server: make sure that what the one that is away may still run is off'] : [];

const serverOf = async (site: Site, word: string | undefined): Promise<string> =>
  word === undefined ? '' : (await findServer(site, word)).id;

/** `point 5f3c… of 2026-11-22T01:02:03.000Z, crash, 12 s old` */
const pointLine = ({ id, time, kind, ageSeconds, disks, unreadableBytes }: PointDescription): string =>
  `${id.slice(0, 12)} of ${time}, ${kind}, ${formatSeconds(Math.max(0, ageSeconds))} old, disks ${disks.join(', ')}${unreadableBytes > 0 ? '; NOT GOOD: a part could not be read' : ''}`;

const resolved = async (surroundings: Surroundings, site: Site, { id: machine }: Machine, point: string): Promise<string> => {
  const found = await site.recoveries.resolvePoint({ machine, point });
  return found.point === undefined ? point : pointLine(describePoint(found.point, surroundings.now()));
};

export const testFailoverCommand = (surroundings: Surroundings): Command =>
  placed(
    new Command('test').description('start a copy, isolated; replication goes on').argument('<machine>', 'name or id'),
    'latest-processed',
  )
    .addHelpText('after', TEST_HELP)
    .action((word: string, options: PlaceOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const { network: testNetwork = '', size = '', point = 'latest-processed' } = options;
        const processServer = await serverOf(site, options.processServer);
        const { job } = await site.recoveries.testFailover({ machine: machine.id, point, processServer, target: { testNetwork, size } });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

export const startFailoverCommand = (surroundings: Surroundings): Command =>
  placed(new Command('start').description('move the machine to the recovery site').argument('<machine>', 'name or id'), 'latest')
    .addOption(new Option('--shutdown-source', 'bring the source to rest and power it off first'))
    .addOption(new Option('--force', 'go on when the source cannot be shut down, or what is on its way does not arrive'))
    .addOption(new Option('--planned', 'there is none: tells what to use instead'))
    .addOption(yesOption())
    .addHelpText('after', START_HELP)
    .action((word: string, options: StartOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        if (options.planned === true)
          throw new HoldfastError('SETTING_INVALID', {
            thing: '--planned',
            why: 'there is no planned failover',
            remedy: 'fail over with --shutdown-source --point latest, which loses nothing',
          });
        const machine = await findMachine(site, word);
        await requirePossible(site, machine, 'failover');
        const { network = '', size = '', point = 'latest' } = options;
        const processServer = await serverOf(site, options.processServer);
        const shutdown = options.shutdownSource === true;
        const meant = await resolved(surroundings, site, machine, point);
        await confirm(
          surroundings,
          options,
          [
            `FAILOVER of ${machine.name}`,
            '  direction  forward: from the source to the recovery site',
            `  point      ${point === 'latest' ? `latest: what is on its way arrives first; by now ${meant}` : meant}`,
            `  source     ${shutdown ? 'is brought to rest and powered off, then fenced' : 'is fenced, and not shut down: it goes on running, and sends nothing'}`,
          ],
          machine.name,
        );
        const { job } = await site.recoveries.failover({
          machine: machine.id,
          point,
          processServer,
          target: { network, size },
          shutdownSource: shutdown,
          force: options.force === true,
          direction: Direction.FORWARD,
        });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

export const changePointCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('change-point').description('take another point instead, until it is committed').argument('<machine>', 'name or id'),
  )
    .addOption(new Option('-p, --point <point>', 'which point (required)').makeOptionMandatory())
    .addOption(handOverOption())
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText(
      'after',
      `\nWhat the machine wrote since the failover is lost with it.\n\n${POINT_HELP}\n\nExamples:\n  holdfast failover change-point db1 --point 2026-11-22T01:02:03Z --wait`,
    )
    .action((word: string, options: NextOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        await requirePossible(site, machine, 'change-point');
        const meant = await resolved(surroundings, site, machine, options.point);
        await confirm(
          surroundings,
          options,
          [
            `ANOTHER POINT for ${machine.name}`,
            '  direction  forward: from the source to the recovery site',
            `  point      ${meant}`,
            '  lost       what the machine wrote since it was failed over',
            ...handedOver(options),
          ],
          machine.name,
        );
        const { job } = await site.recoveries.changePoint({
          machine: machine.id,
          point: options.point,
          handOver: options.handOver === true,
        });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

export const cancelFailoverCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('cancel').description('take it back: the source goes on').argument('<machine>', 'name or id'))
    .addOption(handOverOption())
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText(
      'after',
      '\nThe source sends what it has tracked meanwhile; nothing is copied anew.\n\nExamples:\n  holdfast failover cancel db1 --wait',
    )
    .action((word: string, options: NextOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        await requirePossible(site, machine, 'cancel-failover');
        await confirm(
          surroundings,
          options,
          [
            `CANCEL the failover of ${machine.name}`,
            '  lost       the recovered machine, with all it wrote',
            '  goes on    the source, from where it is',
            ...handedOver(options),
          ],
          machine.name,
        );
        const { job } = await site.recoveries.cancelFailover({ machine: machine.id, handOver: options.handOver === true });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

export const commitFailoverCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('commit').description('make it final').argument('<machine>', 'name or id'))
    .addOption(yesOption())
    .addOption(waitOption())
    .addHelpText('after', '\nTells first what is kept and what is deleted.\n\nExamples:\n  holdfast failover commit db1 --wait')
    .action((word: string, options: NextOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const { kept, deleted } = await site.recoveries.commitFailover({ machine: machine.id, preview: true });
        await confirm(
          surroundings,
          options,
          [
            `COMMIT the failover of ${machine.name}`,
            ...kept.map((one) => `  kept       ${one}`),
            ...deleted.map((one) => `  deleted    ${one}`),
          ],
          machine.name,
        );
        const { job } = await site.recoveries.commitFailover({ machine: machine.id });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

export const cleanUpCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('cleanup').description('remove a test failover').argument('<machine>', 'name or id'))
    .addOption(new Option('--notes <words>', 'what was found out; kept in its history'))
    .addOption(handOverOption())
    .addOption(waitOption())
    .addHelpText('after', "\nExamples:\n  holdfast failover cleanup db1 --notes 'booted, ledger whole' --wait")
    .action((word: string, options: CleanUpOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const { job } = await site.recoveries.cleanUpTest({
          machine: machine.id,
          notes: options.notes ?? '',
          handOver: options.handOver === true,
        });
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );
