import { type Outcome, type Stage, tally } from './outcome.ts';

/** Set in under its title, less the lines of the stack that are not ours. */
const indent = (text: string): string => text.replace(/\n\s+at [^\n]*\/node_modules\/[^\n]*/g, '').replaceAll('\n', '\n      ');

const titleOf = ({ of, name, why = '' }: Outcome): string => `  ${of}  ${name}\n      ${indent(why)}`;

const section = (title: string, outcomes: readonly Outcome[]): string[] =>
  outcomes.length === 0 ? [] : ['', `${title} (${outcomes.length}):`, ...outcomes.map(titleOf)];

/** One line per project that ran specs: how many passed, and whether the cache answered. */
const projectLines = (outcomes: readonly Outcome[]): string[] => {
  const specs = Map.groupBy(
    outcomes.filter(({ of }) => of !== 'checks'),
    ({ of }) => of,
  );
  const width = Math.max(0, ...[...specs.keys()].map((name) => name.length));
  return [...specs].map(([name, found]) => {
    const { passed, failed, skipped } = tally(found);
    const cached = found.filter((outcome) => outcome.cached).length;
    return `  ${name.padEnd(width)}  ${passed} passed, ${failed} failed, ${skipped} skipped${cached > 0 ? ` (${cached} from the cache of nx)` : ''}`;
  });
};

/** The whole run for people: projects, what was skipped and why, what failed and why, times; the counts stand alone on the last line. */
export const formatReport = (stages: readonly Stage[]): string => {
  const outcomes = stages.flatMap((stage) => stage.outcomes);
  const { passed, failed, skipped } = tally(outcomes);
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  const times = stages.map(({ name, seconds }) => `${name} ${seconds.toFixed(1)} s`).join(', ');
  return [
    '',
    ...projectLines(outcomes),
    ...section(
      'skipped',
      outcomes.filter(({ status }) => status === 'skipped'),
    ),
    ...section(
      'failed',
      outcomes.filter(({ status }) => status === 'failed'),
    ),
    '',
    `time: ${times}; total ${total.toFixed(1)} s`,
    `${passed} passed, ${failed} failed, ${skipped} skipped`,
  ].join('\n');
};
