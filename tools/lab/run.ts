import { ensureTools } from '../setup/ensure-tools.ts';
import { announce, LAB_TOOLS, missingPackages } from './announcement.ts';
import type { RunContext } from './context.ts';
import { runDiskLab } from './disk-run.ts';
import { createInterruption } from './interruption.ts';
import { refuseUsedFolder } from './lab-vault.ts';
import { DISK_SIZE, runLedgerLab } from './ledger-run.ts';
import { MEMORY_DIRECTORY, stateNameOf } from './machine.ts';
import { HELP, parseOptions } from './options.ts';
import { isSuccess } from './outcome.ts';
import { writeReport } from './output/report.ts';
import { createScreen, type Screen, type ScreenStream } from './output/screen.ts';
import { reportOf, summary } from './output/summary.ts';
import { cleanUp } from './record/clean-up.ts';
import { createRecorder, findLeftovers, newRunId, runDirectory } from './record/run-record.ts';
import { checkDisks, type UserDisk } from './user-disk/check-disks.ts';

const removeLeftovers = async (screen: Screen): Promise<void> => {
  for (const { file, record } of findLeftovers()) {
    const failures = await cleanUp(file, record);
    screen.line(
      failures.length === 0 ? `removed what an earlier run left in ${record.directory}` : `left by an earlier run: ${failures.join('; ')}`,
    );
  }
};

const ownCpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const demonstrate = async (context: RunContext, disks: readonly UserDisk[]): Promise<number> => {
  const { options, screen } = context;
  const outcome = disks.length === 0 ? await runLedgerLab(context) : await runDiskLab(context, disks);
  const report = reportOf(outcome, ownCpuSeconds());
  for (const line of summary(outcome, report)) screen.line(line);
  if (options.json !== undefined) writeReport(options.json, report);
  return isSuccess(outcome) ? 0 : 1;
};

/** The whole of `npm start`; resolves to the exit status. Whatever happens, what it made is gone when this settles. */
export const run = async (args: readonly string[], stream: ScreenStream): Promise<number> => {
  const options = parseOptions(args);
  const screen = createScreen(stream);
  if (options.help) {
    screen.line(HELP);
    return 0;
  }
  const id = newRunId();
  const directory = runDirectory(id);
  if (options.vault !== undefined) refuseUsedFolder(options.vault);
  const disks = checkDisks(options.disks, { 'the vault': options.vault ?? directory, "the agent's log": directory });
  const plan = { options, directory, stateName: stateNameOf(id), memoryDirectory: MEMORY_DIRECTORY, diskSize: DISK_SIZE };
  for (const line of announce({ ...plan, missing: missingPackages() })) screen.line(line);

  const interruption = createInterruption(() => screen.line('still taking away what was made …'));
  try {
    await ensureTools(LAB_TOOLS, { print: (line) => screen.line(line) });
    await removeLeftovers(screen);
    interruption.signal.throwIfAborted();
    return await withRecord({ options, screen, recorder: createRecorder(id), signal: interruption.signal }, disks);
  } finally {
    interruption.release();
  }
};

const withRecord = async (context: RunContext, disks: readonly UserDisk[]): Promise<number> => {
  const { options, screen, recorder } = context;
  try {
    return await demonstrate(context, disks);
  } finally {
    screen.settle();
    const { directory } = recorder.record;
    const failures = await cleanUp(recorder.file, recorder.record, { keepFiles: options.keep });
    for (const failure of failures) screen.line(`could not be taken away: ${failure}`);
    if (options.keep)
      screen.line(`kept: ${directory} (the vault is ${options.vault ?? `${directory}/vault`}, its key ${directory}/vault.key)`);
  }
};
