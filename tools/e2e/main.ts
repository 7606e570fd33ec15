import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/errors';
import { endProcess, identify, isAlive, type ProcessIdentity } from '../lab/host/processes.ts';
import { parseCommandLine, runMain } from '../setup/command-line.ts';
import { ensureTools } from '../setup/ensure-tools.ts';
import { runLayout } from './run-layout.ts';
import { LAYOUTS, type Layout } from './server-image.ts';
import { createSteps, type Step } from './steps.ts';

const HELP = `Usage: npm run e2e:recovery [-- --only ${LAYOUTS.join('|')}] [--output table|json] [--keep]

A whole Debian server (systemd, GRUB, PostgreSQL, the agent on its root disk) under QEMU is enrolled by the printed lines, replicated while a ledger grows,
failed over, and looked at from inside: everything that was acknowledged before the point has to be there, and a row that was never written has to be told
missing. The agent inside has to stay silent.

  bios-ext4   a crash-consistent point, then an application-consistent one (change-point), then cancelled: the source goes on without being compared
  uefi-xfs    a point is proven by the agent inside; a crash-consistent point, then committed; it runs with its process server gone
  lvm         moved without loss: source at rest, powered off, then committed

Each takes a quarter of an hour or more in an emulated processor; the first one builds a Debian (root, some minutes), kept in .guest/.
--keep leaves the files of a run that failed. Exit status: 0 it went well; 1 or above it did not.`;

const ROOT = path.resolve(import.meta.dirname, '../..');

const layoutsOf = (only: string | undefined): readonly Layout[] => {
  if (only === undefined) return LAYOUTS;
  const found = LAYOUTS.filter((layout) => layout === only);
  if (found.length > 0) return found;
  throw new HoldfastError('SETTING_INVALID', {
    thing: '--only',
    why: `"${only}" is none of them`,
    remedy: `choose from ${LAYOUTS.join(', ')}`,
  });
};

const endAll = async (processes: readonly ProcessIdentity[]): Promise<void> => {
  for (const one of processes) if (isAlive(one)) await endProcess(one);
};

await runMain(async (args) => {
  const { values } = parseCommandLine({
    args,
    options: {
      only: { type: 'string' },
      output: { type: 'string', default: 'table' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const layouts = layoutsOf(values.only);
  const print = (line: string): void => console.error(line);
  await ensureTools(['guest', 'filesystems', 'nbd'], { print });
  const processes: ProcessIdentity[] = [];
  const onStart = (pid: number): void => {
    const identity = identify(pid);
    if (identity !== undefined) processes.push(identity);
  };
  const stop = (): void => void endAll(processes).finally(() => process.exit(130));
  process.once('SIGINT', stop).once('SIGTERM', stop);

  const bundles = await mkdtemp(path.join(tmpdir(), 'holdfast-bundles-'));
  const done: { readonly layout: Layout; readonly steps: readonly Step[]; readonly failure: string | undefined }[] = [];
  try {
    print('making the bundle of the agent');
    const make = [path.join(ROOT, 'tools/bundle/main.ts'), '--out', bundles, 'holdfast-agent'];
    await promisify(execFile)(process.execPath, ['--conditions=@holdfast/source', ...make]);
    for (const layout of layouts) {
      const steps = createSteps(layout, print);
      const failure = await runLayout({ layout, bundles, steps, print, onStart, keep: values.keep }).then(
        () => undefined,
        (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
      );
      if (failure !== undefined) print(`${layout}: ${failure}`);
      done.push({ layout, steps: steps.done, failure });
    }
  } finally {
    await endAll(processes);
    await rm(bundles, { recursive: true, force: true });
  }
  if (values.output === 'json') console.log(JSON.stringify(done, null, 2));
  else
    for (const { layout, steps, failure } of done) {
      const line = (what: string, seconds: number, seen: string): void =>
        console.log(`${layout.padEnd(10)} ${what.padEnd(56)} ${seconds.toFixed(1).padStart(8)} s  ${seen}`.trimEnd());
      for (const { what, seconds, seen } of steps) line(what, seconds, seen);
      const all = steps.reduce((sum, { seconds }) => sum + seconds, 0);
      line(failure === undefined ? 'all of it: well' : 'all of it: FAILED', all, failure?.split('\n')[0] ?? '');
    }
  return done.every(({ failure }) => failure === undefined) ? 0 : 1;
});
