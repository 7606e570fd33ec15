import { type CheckReport, checkKeys, checkMachine, type Finding, type MachineHistory } from '@holdfast/vault';
import { Command } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { type Part, writeAnswer } from '../output/answer.ts';
import { formatBytes, formatCount } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, readMachines, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface CheckCommandOptions extends VaultOptions {
  readonly machine?: string;
}

interface CheckedMachine {
  readonly history: MachineHistory;
  readonly report: CheckReport;
  readonly findings: readonly Finding[];
}

const HELP = `
Reads every object of the machines' logs in full and checks each link, seal, frame, block digest
and epoch digest; and every key. Changes nothing. Ends with status 1 when anything is wrong; what is wrong is
named: object, disk, bytes.

Examples:
  holdfast vault check --vault file:/srv/vault --key-file office.key
  holdfast vault check --vault file:/srv/vault --key-file office.key --machine db1 --output json

${STORE_HELP}`;

export const checkCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('check').description('read everything and check that it is whole'))
    .addOption(machineOption())
    .addHelpText('after', HELP)
    .action((options: CheckCommandOptions) => check(surroundings, options));

const check = (surroundings: Surroundings, options: CheckCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const checked: CheckedMachine[] = [];
    for (const history of await readMachines(surroundings, vault, options.machine)) checked.push(await checkOne(surroundings, history));
    const keyFindings = await checkKeys(vault);
    const bad = checked.reduce((sum, { findings }) => sum + findings.length, keyFindings.length);
    writeAnswer(surroundings, options, {
      data: {
        good: bad === 0,
        keys: { findings: keyFindings },
        machines: checked.map(({ history: { machine, points }, report, findings }) => ({
          machine: { id: machine.id, name: machine.name },
          points: points.length,
          ...report,
          findings,
        })),
      },
      people: describe(checked, keyFindings, bad),
    });
    if (bad > 0) surroundings.onFindings();
  });

const checkOne = async ({ stderr, stop }: Surroundings, history: MachineHistory): Promise<CheckedMachine> => {
  const progress = createProgress(stderr, { label: machineLabel(history.machine), total: history.head.sequence + 1, unit: 'slots' });
  const report = await checkMachine(history, {
    onProgress: (slots) => {
      stop.throwIfAborted();
      progress.update(slots);
    },
  }).finally(progress.end);
  // The reading of the log finds what no single object shows: records that contradict each other.
  const known = new Set(report.findings.map(({ object }) => object));
  return { history, report, findings: [...report.findings, ...history.damage.filter(({ object }) => !known.has(object))] };
};

const describe = (checked: readonly CheckedMachine[], keyFindings: readonly Finding[], bad: number): Part[] => [
  {
    columns: [
      { heading: 'MACHINE', shrink: true },
      { heading: 'POINTS', right: true },
      { heading: 'SLOTS', right: true },
      { heading: 'ORPHANS', right: true },
      { heading: 'STRAYS', right: true },
      { heading: 'FRAMES', right: true },
      { heading: 'READ', right: true },
      { heading: 'FINDINGS', right: true },
    ],
    rows: checked.map(({ history, report, findings }) => [
      machineLabel(history.machine),
      ...[history.points.length, report.slots, report.orphans, report.strays, report.frames].map(String),
      formatBytes(report.bytes),
      String(findings.length),
    ]),
  },
  ...[...keyFindings, ...checked.flatMap(({ findings }) => findings)].map((finding) => ({ line: describeFinding(finding) })),
  ...(checked.some(({ report }) => report.strays > 0)
    ? [{ line: 'STRAYS are slots behind the end of the log: left by a writer that died, or the sign that a slot before them was lost.' }]
    : []),
  { line: bad === 0 ? `Whole: ${formatCount(checked.length, 'machine')} checked.` : `NOT WHOLE: ${formatCount(bad, 'finding')}.` },
];

const describeFinding = ({ code, object, why, diskId, extents = [] }: Finding): string => {
  const where = extents.slice(0, 3).map(({ offset, length }) => `${length} bytes from ${offset}`);
  const more = extents.length > where.length ? [`${extents.length - where.length} more extents`] : [];
  return `${code} ${object}: ${why}${diskId === undefined ? '' : `; disk ${diskId}${[':', ...where].length > 1 ? `: ${[...where, ...more].join(', ')}` : ''}`}`;
};
