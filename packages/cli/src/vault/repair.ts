import { type Finding, type RepairReport, readMachine, repairMachine, restoreObject, scrubMachine, type Vault } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { type Part, writeAnswer } from '../output/answer.ts';
import { formatCount } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import { type DescribedFinding, describeFindings, findingLines } from './describe-findings.ts';
import { machinesOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface RepairCommandOptions extends VaultOptions {
  readonly machine?: string;
  readonly from?: string;
}

interface RepairedMachine {
  readonly machine: { readonly id: string; readonly name: string };
  /** Objects put back out of the copy. */
  readonly restored: readonly string[];
  /** What became of the log. */
  readonly log: RepairReport;
  /** What is lost, and what that costs. */
  readonly left: readonly (DescribedFinding & { readonly copy?: string })[];
  readonly lines: readonly Part[];
}

const HELP = `
Reads everything, and mends what can be mended. With --from, damaged and missing objects are
put back out of a copy of the vault (\`holdfast vault copy\`), after the copy's object has proved
to be the one that was there. Slots of the log that are still damaged are stepped over: what
they held is lost, points that rest on it are void, and disks begin new generations. That shuts
the writer out; it comes back by itself.

What cannot be repaired is named: machine, disk, bytes, and the points that show it. Other
points are whole; the status is 1 then.

Examples:
  holdfast vault repair --vault file:/srv/vault --key-file office.key
  holdfast vault repair --vault file:/srv/vault --key-file office.key --machine db1 --from file:/mnt/copy

${STORE_HELP}`;

export const repairCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('repair').description('mend what can be mended, and name what is lost'))
    .addOption(machinesOption())
    .addOption(new Option('--from <url>', 'a copy of the vault to take whole objects from'))
    .addHelpText('after', HELP)
    .action((options: RepairCommandOptions) => repair(surroundings, options));

const repair = (surroundings: Surroundings, options: RepairCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const all = await orStopped(surroundings.stop, vault.machines());
    const repaired: RepairedMachine[] = [];
    for (const machine of options.machine === undefined ? all : [chooseMachine(all, options.machine)])
      repaired.push(await repairOne(surroundings, vault, machine, options.from));
    const lost = repaired.reduce((sum, { left, log }) => sum + left.length + log.lost.length, 0);
    writeAnswer(surroundings, options, {
      data: { good: lost === 0, machines: repaired.map(({ lines: _, ...data }) => data) },
      people: [
        ...repaired.flatMap(({ lines }) => lines),
        {
          line:
            lost === 0
              ? `Whole: ${formatCount(repaired.length, 'machine')}.`
              : `NOT WHOLE: ${formatCount(lost, 'thing')} could not be repaired; the points named above are lost, in the bytes named, all others are whole.`,
        },
      ],
    });
    if (lost > 0) surroundings.onFindings();
  });

const repairOne = async (
  surroundings: Surroundings,
  vault: Vault,
  machine: { readonly id: string; readonly name: string },
  from: string | undefined,
): Promise<RepairedMachine> => {
  const { stop } = surroundings;
  const restored: string[] = [];
  const refusals = new Map<string, string>();
  let { findings, history } = await scrub(surroundings, vault, machine);
  if (from !== undefined && findings.length > 0) {
    const copy = await surroundings.openStore(from);
    try {
      // Behind a slot that is whole again there may be another one.
      for (let before = -1; before !== restored.length && findings.length > 0; ) {
        before = restored.length;
        for (const object of new Set(findings.map((finding) => finding.object))) {
          const refusal = await restoreObject(history, copy, findings.find((finding) => finding.object === object)!);
          stop.throwIfAborted();
          if (refusal === undefined) restored.push(object);
          else refusals.set(object, refusal);
        }
        if (before !== restored.length) ({ findings, history } = await scrub(surroundings, vault, machine));
      }
    } finally {
      await copy.close();
    }
  }
  const lostOfLog = findings.filter(({ object }) => history.damage.some((one) => one.object === object));
  const log = await orStopped(stop, repairMachine(vault, machine.id));
  const after = await orStopped(stop, readMachine(vault, machine.id));
  const isOfLog = (finding: Finding): boolean => lostOfLog.includes(finding);
  const described = await orStopped(
    stop,
    describeFindings(
      after,
      findings.filter((finding) => !isOfLog(finding)),
    ),
  );
  const left = described.map((finding) => {
    const copy = refusals.get(finding.object);
    return { ...finding, ...(copy !== undefined && { copy }) };
  });
  const lines: Part[] = [
    ...restored.map((object) => ({ line: `restored ${object} out of the copy` })),
    ...log.lost.map(({ first, last }) => ({
      line: `LOST slots ${first} to ${last} of ${machineLabel(machine)}: ${formatCount(log.voidCuts, 'cut')} behind them void; its disks go on with new generations`,
    })),
    ...left.flatMap((finding) => findingLines(after, finding)),
  ];
  return { machine: { id: machine.id, name: machine.name }, restored, log, left, lines };
};

const scrub = async ({ stop, stderr }: Surroundings, vault: Vault, machine: { readonly id: string; readonly name: string }) => {
  const progress = createProgress(stderr, { label: machineLabel(machine), total: 0 });
  const report = await scrubMachine(vault, machine.id, {
    fresh: true,
    signal: stop,
    onProgress: ({ bytes, total }) => progress.update(bytes, total),
  }).finally(progress.end);
  stop.throwIfAborted();
  return report;
};
