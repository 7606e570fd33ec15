import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { ensureTools } from '../setup/ensure-tools.ts';
import { announce, LAB_TOOLS, type LabKind, missingPackages } from './announcement.ts';
import type { RunContext } from './context.ts';
import { runDiskLab } from './disk-run.ts';
import { IMAGE_SIZE, runImageLab } from './image-run.ts';
import { MEMORY_DIRECTORY } from './installation/agent-files.ts';
import { createInterruption } from './interruption.ts';
import { refuseUsedFolder } from './lab-vault.ts';
import { runLedgerLab } from './ledger-run.ts';
import { HELP, type LabOptions, parseOptions } from './options.ts';
import { isSuccess, type Outcome } from './outcome.ts';
import { writeReport } from './output/report.ts';
import { createScreen, type ScreenStream } from './output/screen.ts';
import { reportOf, summary } from './output/summary.ts';
import { checkLength, checkReportPlace, checkRoom } from './preconditions.ts';
import { createRecorder, newRunId, runDirectory } from './record/run-record.ts';
import { removeLeftovers, takeAway } from './record/take-away.ts';
import { checkDisks, type UserDisk } from './user-disk/check-disks.ts';

const ownCpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const RUNS: Readonly<Record<LabKind, (context: RunContext, disks: readonly UserDisk[]) => Promise<Outcome>>> = {
  ledger: runLedgerLab,
  disks: runDiskLab,
  image: runImageLab,
};

const demonstrate = async (context: RunContext, kind: LabKind, disks: readonly UserDisk[]): Promise<number> => {
  const { options, screen } = context;
  const outcome = await RUNS[kind](context, disks);
  const report = reportOf(outcome, ownCpuSeconds());
  for (const line of summary(outcome, report)) screen.line(line);
  if (options.json !== undefined) writeReport(options.json, report);
  return isSuccess(outcome) ? 0 : 1;
};

/** Whether this process may make devices, mount and trace. */
const ownsTheMachine = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

const kindOf = ({ disks }: LabOptions): LabKind => {
  if (disks.length > 0 && !ownsTheMachine()) {
    throw new HoldfastError('NO_PERMISSION', {
      thing: disks.join(', '),
      why: 'tracing a disk needs root on Linux',
      remedy: 'run as root, or without --disk to see what can be shown without',
    });
  }
  if (disks.length > 0) return 'disks';
  return ownsTheMachine() ? 'ledger' : 'image';
};

/** The whole of `npm start`; resolves to the exit status. Whatever happens, what it made is gone when this settles. */
export const run = async (args: readonly string[], stream: ScreenStream): Promise<number> => {
  const options = parseOptions(args);
  const screen = createScreen(stream);
  if (options.help) {
    screen.line(HELP);
    return 0;
  }
  const kind = kindOf(options);
  const id = newRunId();
  const directory = runDirectory(id);
  if (options.json !== undefined) checkReportPlace(options.json);
  if (options.vault !== undefined) refuseUsedFolder(options.vault);
  const disks = checkDisks(options.disks, { 'the vault': options.vault ?? directory, "the agent's log": directory });
  checkLength(directory);
  checkRoom(path.dirname(directory), kind);
  const missing = kind === 'image' ? [] : missingPackages();
  const plan = { kind, options, directory, memoryDirectory: MEMORY_DIRECTORY, imageSize: IMAGE_SIZE, missing };
  for (const line of announce(plan)) screen.line(line);

  const interruption = createInterruption(() => screen.line('still taking away what was made …'));
  try {
    if (kind !== 'image') await ensureTools(LAB_TOOLS, { print: (line) => screen.line(line) });
    await removeLeftovers(screen);
    interruption.signal.throwIfAborted();
    const context = { options, screen, recorder: createRecorder(id), signal: interruption.signal };
    return await withRecord(context, () => demonstrate(context, kind, disks));
  } finally {
    interruption.release();
  }
};

/** Does the work and takes away what it made, whatever comes of it. */
const withRecord = async ({ options, screen, recorder, signal }: RunContext, work: () => Promise<number>): Promise<number> => {
  try {
    return await work();
  } finally {
    if (signal.aborted) screen.line('taking away what was made …');
    screen.settle();
    const { directory } = recorder.record;
    await takeAway(screen, recorder, options.keep);
    if (options.keep)
      screen.line(
        `kept: ${directory} (the vault is ${options.vault ?? `${directory}/vault`}, its key ${directory}/vault.key); delete it when you have seen enough`,
      );
  }
};
