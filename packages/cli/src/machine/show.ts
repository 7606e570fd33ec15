import { Command } from 'commander';
import { disksPart } from '../disk/disks-part.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatBytes, formatCount, formatRate, formatSeconds } from '../output/format.ts';
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

const protectionLines = ({ protection, rpoSeconds, newestPoint, points, pendingBytes, ...rates }: MachineDescription): Part[] => {
  if (protection === null) return [{ line: '  protection  none' }];
  const { state, detail, vault, policy, processServer } = protection;
  const via = processServer === null ? '' : ` through ${processServer.name || processServer.id}`;
  return [
    { line: `  protection  ${state}${detail === '' ? '' : `: ${detail}`}` },
    { line: `  goes to     vault ${vault}${via}, policy ${policy.name || policy.id}` },
    {
      line:
        newestPoint === null
          ? '  points      none yet'
          : `  points      ${formatCount(points, 'point')}, the newest of ${newestPoint}; RPO ${formatSeconds(rpoSeconds ?? 0)}`,
    },
    {
      line: `  now         ${formatBytes(pendingBytes)} under way, ${formatRate(rates.changedBytesPerSecond)} changed, ${formatRate(rates.sentBytesPerSecond)} sent`,
    },
  ];
};
