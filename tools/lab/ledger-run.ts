import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { openView, type RecoveryPoint } from '@holdfast/vault';
import type { RunContext } from './context.ts';
import { type OpenedLabVault, openLabVault } from './lab-vault.ts';
import { createMachine, type LabMachine } from './machine.ts';
import { createOutcome, type Outcome } from './outcome.ts';
import { formatCount } from './output/format.ts';
import { protect } from './protect.ts';
import { createSite, type SiteDisk } from './site/site.ts';
import type { CheckedPoint } from './verify/checked-point.ts';
import { choosePoints } from './verify/choose-points.ts';
import { type PointToVerify, verifyPoint } from './verify/verify-point.ts';
import { startWorkload, type Workload } from './workload/workload.ts';

/** Points verified beside the newest. */
const RANDOM_POINTS = 3;

/** Two disks with file systems, and the workload on them. */
export const startSite = async (context: RunContext): Promise<{ site: SiteDisk[]; workload: Workload; ledgers: string }> => {
  const { options, recorder, signal, screen } = context;
  const { directory } = recorder.record;
  const site = await createSite({ directory, diskSize: options.diskSize, signal });
  const ledgers = path.join(directory, 'ledgers');
  mkdirSync(ledgers);
  const workload = await startWorkload({
    settings: { mountPoints: site.map(({ mountPoint }) => mountPoint), directory: ledgers, seed: options.seed },
    onStart: (pid) => recorder.noteProcess(pid),
  });
  screen.line(
    `machine: ${site.map(({ device, name }) => `${device} (${name})`).join(', ')}; databases and files are being written on both`,
  );
  return { site, workload, ledgers };
};

/** A point of the site's machine, as the oracles want it. */
export const toVerify = (
  { history }: OpenedLabVault,
  { disks }: LabMachine,
  site: readonly SiteDisk[],
  chosen: { readonly point: RecoveryPoint; readonly chosen: string },
): PointToVerify => ({
  id: chosen.point.id,
  time: chosen.point.time,
  instant: chosen.point.point.instant?.monotonicNanos ?? 0n,
  chosen: chosen.chosen,
  disks: site.map(({ name, fileSystem }, index) => ({
    name,
    fileSystem,
    open: () => openView(history, chosen.point.id, disks[index]!.id),
  })),
});

const verify = async (
  context: RunContext,
  vault: OpenedLabVault,
  machine: LabMachine,
  site: readonly SiteDisk[],
  ledgers: string,
): Promise<CheckedPoint[]> => {
  const { options, screen, signal, recorder } = context;
  const { points } = vault.history;
  const chosen = choosePoints(points, RANDOM_POINTS, options.seed);
  screen.line(`recovering ${chosen.length} of ${points.length} points: the newest and ${chosen.length - 1} at random`);
  const checked: CheckedPoint[] = [];
  for (const [index, one] of chosen.entries()) {
    screen.status('verify', `point ${index + 1} of ${chosen.length}: served by NBD, exported, file systems checked, rows counted …`);
    const directory = path.join(recorder.record.directory, `recovered-${index}`);
    checked.push(await verifyPoint(toVerify(vault, machine, site, one), { directory, ledgers, seed: options.seed, signal }));
  }
  screen.settle();
  return checked;
};

/** The demonstration: a machine of the lab's own, under the ledger workload, checked by its ledgers. */
export const runLedgerLab = async (context: RunContext): Promise<Outcome> => {
  const { options, screen, signal } = context;
  const { site, workload, ledgers } = await startSite(context);
  const machine = await createMachine(context, { disks: site.map(({ device }) => device) });
  const protection = await protect(context, {
    machine,
    disks: site.map(({ device }) => path.basename(device)),
    seconds: options.minutes * 60,
    failures: [workload.failure],
    sample: () => workload.sample(),
  });
  await workload.stop();
  const { commits, stamps, churn } = workload.counts;
  screen.line(
    `stopped: ${formatCount(commits)} commits, ${formatCount(stamps)} overwrites, ${formatCount(churn)} file operations were acknowledged`,
  );
  signal.throwIfAborted();
  const vault = await openLabVault(machine.vault, machine.id);
  try {
    const checked = await verify(context, vault, machine, site, ledgers);
    return await createOutcome({ protection, machine, vault, checked, cpuSeconds: { workload: workload.cpuSeconds } });
  } finally {
    await vault.close();
  }
};
