import { type ScrubReport, scrubMachine } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes, formatCount, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import { type DescribedFinding, describeFindings, findingLines } from './describe-findings.ts';
import { machinesOption, paceOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface ScrubCommandOptions extends VaultOptions {
  readonly machine?: string;
  readonly fresh?: boolean;
  readonly pace?: number;
}

const HELP = `
Reads and verifies everything that the points of the machines need, at a pace, and goes on
where the last scrubbing stopped, be it of this command or of a process server: how far it came
is kept in the vault. Ctrl-C stops behind the object under way. Ends with status 1 when
anything has rotted: machine, disk, bytes and the points that show it are named.

Examples:
  holdfast vault scrub --vault file:/srv/vault --key-file office.key --pace 20MiB
  holdfast vault scrub --vault file:/srv/vault --key-file office.key --machine db1 --fresh --output json

${STORE_HELP}`;

export const scrubCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('scrub').description('read everything at a pace, and find what has rotted'))
    .addOption(machinesOption())
    .addOption(new Option('--fresh', 'begin anew although a round is under way'))
    .addOption(paceOption())
    .addHelpText('after', HELP)
    .action((options: ScrubCommandOptions) => scrub(surroundings, options));

const scrub = (surroundings: Surroundings, options: ScrubCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop, stderr, onFindings } = surroundings;
    const all = await orStopped(stop, vault.machines());
    const scrubbed: { readonly report: ScrubReport; readonly findings: readonly DescribedFinding[] }[] = [];
    for (const machine of options.machine === undefined ? all : [chooseMachine(all, options.machine)]) {
      const progress = createProgress(stderr, { label: machineLabel(machine), total: 0 });
      const report = await scrubMachine(vault, machine.id, {
        fresh: options.fresh === true,
        signal: stop,
        onProgress: ({ bytes, total }) => progress.update(bytes, total),
      }).finally(progress.end);
      stop.throwIfAborted();
      if (!report.isRecorded) stderr.write('The vault may not be written: the next scrubbing begins where this one did.\n');
      scrubbed.push({ report, findings: await orStopped(stop, describeFindings(report.history, report.findings)) });
    }
    const bad = scrubbed.reduce((sum, { findings }) => sum + findings.length, 0);
    writeAnswer(surroundings, options, {
      data: {
        good: bad === 0,
        machines: scrubbed.map(
          ({ report: { history, round, started, complete, objects, bytes, total, read, lastComplete }, findings }) => ({
            machine: { id: history.machine.id, name: history.machine.name },
            round,
            started: formatTime(started),
            complete,
            ...(lastComplete > 0 && { lastComplete: formatTime(lastComplete) }),
            objects,
            bytes,
            total,
            read,
            findings,
          }),
        ),
      },
      people: [
        {
          columns: [
            { heading: 'MACHINE', shrink: true },
            { heading: 'ROUND', right: true },
            { heading: 'OBJECTS', right: true },
            { heading: 'VERIFIED', right: true },
            { heading: 'READ NOW', right: true },
            { heading: 'FINDINGS', right: true },
          ],
          rows: scrubbed.map(({ report, findings }) => [
            machineLabel(report.history.machine),
            ...[report.round, report.objects].map(String),
            formatBytes(report.bytes),
            formatBytes(report.read),
            String(findings.length),
          ]),
        },
        ...scrubbed.flatMap(({ report, findings }) => findings.flatMap((finding) => findingLines(report.history, finding))),
        { line: bad === 0 ? 'Nothing has rotted.' : `NOT WHOLE: ${formatCount(bad, 'finding')}; see \`holdfast vault repair\`.` },
      ],
    });
    if (bad > 0) onFindings();
  });
