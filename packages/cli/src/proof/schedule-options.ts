import { clone, create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { type ProofSchedule, ProofScheduleSchema } from '@holdfast/protocol';
import { type Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';
import { parseSeconds } from '../parse-seconds.ts';

/** How points are proven, as people say it. */
export interface CheckOptions {
  readonly proveConsole?: string;
  readonly provePort?: readonly number[];
  readonly proveAgent?: boolean;
  readonly proveFsck?: boolean;
  readonly proveScript?: string;
  readonly provePatience?: number;
}

export interface ScheduleOptions extends CheckOptions {
  /** Hours; 0: off. */
  readonly proveEvery?: number;
  /** Minutes of a day, UTC. */
  readonly proveAt?: number;
  readonly proveMaxAge?: number;
}

const bad = (text: string, remedy: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: JSON.stringify(text), why: 'it is no such time', remedy });

/** Hours of "6h", "1d", "7d"; 0 of "off". Error: SETTING_INVALID. */
export const parseHours = (text: string): number => {
  if (text === 'off') return 0;
  const parts = /^(\d{1,4})\s*(h|d)$/.exec(text.trim());
  if (parts === null || Number(parts[1]) === 0) throw bad(text, 'give hours or days: 6h, 1d, 7d; off for never');
  return Number(parts[1]) * (parts[2] === 'd' ? 24 : 1);
};

/** Minutes of a day of "02:30". Error: SETTING_INVALID. */
export const parseTimeOfDay = (text: string): number => {
  const parts = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim());
  if (parts === null) throw bad(text, 'give a time of day in UTC: 02:30');
  return Number(parts[1]) * 60 + Number(parts[2]);
};

const formatHours = (hours: number): string => (hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`);
const formatTimeOfDay = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

const gatherPorts = (text: string, before: readonly number[] = []): readonly number[] =>
  text === 'none' ? [] : [...before, parseCount(text)];

export const checkOptions = (command: Command): Command =>
  command
    .addOption(new Option('--prove-console <text>', 'a proof waits for this on the serial console (default: a login prompt)'))
    .addOption(
      new Option('--prove-port <port>', 'of the machine, at which something has to answer; may be given again; none').argParser(
        gatherPorts,
      ),
    )
    .addOption(new Option('--prove-agent', 'a proof waits for the agent inside: up, and silent'))
    .addOption(new Option('--prove-fsck', 'a proof checks the file systems too'))
    .addOption(new Option('--prove-script <name>', 'decides last: a script in recovery.proof-scripts of the process server'))
    .addOption(new Option('--prove-patience <time>', 'that each of them may take (default: 10min)').argParser(parseSeconds));

export const scheduleOptions = (command: Command): Command =>
  checkOptions(
    command
      .addOption(new Option('--prove-every <time>', 'how often a point is proven by itself: 6h, 1d, 7d, off').argParser(parseHours))
      .addOption(new Option('--prove-at <time>', 'at what time of day, in UTC: 02:30').argParser(parseTimeOfDay))
      .addOption(
        new Option('--prove-max-age <time>', 'alert when the last proof is older (default: twice the time between two)').argParser(
          parseHours,
        ),
      ),
  );

/** What was said, over what there is; undefined when nothing was said. */
export const scheduleTold = (options: ScheduleOptions, before?: ProofSchedule): ProofSchedule | undefined => {
  const { proveEvery, proveAt, proveMaxAge, proveConsole, provePort, proveAgent, proveFsck, proveScript, provePatience } = options;
  const told = {
    ...(proveEvery !== undefined && { everyHours: proveEvery }),
    ...(proveAt !== undefined && { atMinute: proveAt }),
    ...(proveMaxAge !== undefined && { maxAgeHours: proveMaxAge }),
    ...(proveConsole !== undefined && { console: proveConsole }),
    ...(provePort !== undefined && { ports: [...provePort] }),
    ...(proveAgent !== undefined && { awaitAgent: proveAgent }),
    ...(proveFsck !== undefined && { checkFileSystems: proveFsck }),
    ...(proveScript !== undefined && { script: proveScript }),
    ...(provePatience !== undefined && { patienceSeconds: provePatience }),
  };
  if (Object.keys(told).length === 0) return undefined;
  return Object.assign(before === undefined ? create(ProofScheduleSchema) : clone(ProofScheduleSchema, before), told);
};

/** A schedule as programs get it; null: never. */
export const describeSchedule = (schedule: ProofSchedule | undefined) =>
  schedule === undefined || schedule.everyHours === 0
    ? null
    : {
        everyHours: schedule.everyHours,
        at: formatTimeOfDay(schedule.atMinute),
        maxAgeHours: schedule.maxAgeHours || 2 * schedule.everyHours,
        console: schedule.console,
        ports: schedule.ports,
        agent: schedule.awaitAgent,
        fsck: schedule.checkFileSystems,
        script: schedule.script,
        patienceSeconds: schedule.patienceSeconds || 600,
      };

export const scheduleWords = (schedule: ReturnType<typeof describeSchedule>): string => {
  if (schedule === null) return 'never by itself';
  const { everyHours, at, maxAgeHours, console, ports, agent, fsck, script } = schedule;
  const checks = [
    console === '' ? 'a login prompt' : `"${console}" on the console`,
    ...ports.map((port) => `port ${port}`),
    ...(agent ? ['the agent inside'] : []),
    ...(fsck ? ['file systems'] : []),
    ...(script === '' ? [] : [`script ${script}`]),
  ];
  return `every ${formatHours(everyHours)} at ${at} UTC: ${checks.join(', ')}; alert above ${formatHours(maxAgeHours)}`;
};
