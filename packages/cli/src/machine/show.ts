import { Command } from 'commander';
import { disksPart } from '../disk/disks-part.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatBytes, formatCount, formatRate, formatSeconds } from '../output/format.ts';
import { failureWords, provenWords } from '../proof/describe-proof.ts';
import { findMachine } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeMachine, type MachineDescription } from './describe-machine.ts';
import { readNeighbourhood, seen } from './machines-answer.ts';

const HELP = `
MACHINE is its name, its id, or the first two or more digits of the id.

Examples:
  holdfast machine show db1
  holdfast machine show db1 --watch 5s`;

export const showMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one machine').argument('<machine>', 'name or id'))
    .addOption(watchOption())
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions & WatchOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const [machine, around] = await Promise.all([findMachine(site, word), readNeighbourhood(site)]);
        return machineAnswer(describeMachine(machine, around), surroundings.now());
      }),
    );

const machineAnswer = (machine: MachineDescription, now: number): Answer => {
  const { id, name, agentVersion, operatingSystem, processors, memory, disks } = machine;
  const hardware = [...(processors > 0 ? [formatCount(processors, 'processor')] : []), ...(memory > 0 ? [formatBytes(memory)] : [])];
  return {
    data: machine,
    people: [
      { line: `${name} (${id})` },
      { line: `  system      ${[operatingSystem || 'unknown', ...hardware].join(', ')}` },
      { line: `  agent       ${seen(machine, now)}, version ${agentVersion || 'unknown'}` },
      ...protectionLines(machine),
      ...(disks.length === 0 ? [] : [{ line: '' }, disksPart(disks)]),
    ],
  };
};

/** "churn  98 % below 1 MB/s, 2 % below 2 MB/s; at most 1.4 MB/s". */
const churnLines = (churn: MachineDescription['churn'], peak: number): Part[] => {
  const whole = churn.reduce((sum, { seconds }) => sum + seconds, 0);
  if (whole === 0) return [];
  const parts = churn
    .filter(({ seconds }) => seconds > 0)
    .map(({ below, seconds }) => `${Math.round((100 * seconds) / whole)} % ${below === null ? 'above' : `below ${below} MB/s`}`);
  return [{ line: `  churn       ${parts.join(', ')}; at most ${formatRate(peak)}` }];
};

const protectionLines = ({
  protection,
  rpoSeconds,
  newestPoint,
  points,
  lastProven,
  lastProof,
  pendingBytes,
  pending,
  churn,
  withoutServer,
  ...rates
}: MachineDescription): Part[] => {
  if (protection === null) return [{ line: '  protection  none' }];
  const { state, detail, vault, policy, processServer, target } = protection;
  const via = processServer === null ? '' : ` through ${processServer.name || processServer.id}`;
  return [
    { line: `  protection  ${state}${detail === '' ? '' : `: ${detail}`}` },
    { line: `  goes to     vault ${vault}${via}, policy ${policy.name || policy.id}` },
    {
      line: `  recovered   on ${target.fabric}, network ${target.network}, tests ${target.testNetwork}, size ${target.size === 'same' ? 'as the source' : target.size}`,
    },
    {
      line:
        newestPoint === null
          ? '  points      none yet'
          : `  points      ${formatCount(points, 'point')} made since it is protected, the newest of ${newestPoint}; RPO ${formatSeconds(rpoSeconds ?? 0)}`,
    },
    ...(lastProven === null ? [] : [{ line: `  proven      point ${provenWords(lastProven)}` }]),
    ...(lastProof?.passed === false ? [{ line: `  NOT PROVEN  point ${lastProof.point.slice(0, 12)}: ${failureWords(lastProof)}` }] : []),
    ...(withoutServer === null
      ? []
      : [{ line: `  cannot send for ${formatSeconds(withoutServer.seconds)}: ${withoutServer.problem}; it goes on making points` }]),
    {
      line: `  pending     ${formatBytes(pending.source)} at the machine, ${formatBytes(pending.processServer)} in the journal, ${formatBytes(pending.storage)} of it on the way into the store`,
    },
    ...churnLines(churn, rates.peakChurnBytesPerSecond),
    {
      line: `  now         ${formatBytes(pendingBytes)} in its log, ${formatRate(rates.changedBytesPerSecond)} changed, ${formatRate(rates.sentBytesPerSecond)} sent`,
    },
  ];
};
