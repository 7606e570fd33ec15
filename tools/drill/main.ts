import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { openStore } from '@holdfast/object-store';
import { createVault, writeKeyFile } from '@holdfast/vault';
import { endProcess, identify, isAlive, type ProcessIdentity } from '../lab/host/processes.ts';
import { parseCommandLine, runMain } from '../setup/command-line.ts';
import { ensureTools } from '../setup/ensure-tools.ts';
import { recoverSite, type Step } from './bare-site.ts';
import { setUpSite } from './source-site.ts';

const HELP = `Usage: npm run drill [-- --output table|json]

The bad day, from beginning to end: a site with configuration server, process server and a protected machine is set up, then all of it
is killed and its files are removed. What is left is a vault and its key. From these, in a bare directory: what is there is listed, the
machine is started under QEMU, somebody logs in on its console and compares its data, and a new configuration server is made out of the
vault. Prints how long each step took. Exit status: 0 it went well; 1 or above it did not.`;

/** Ends what an interrupted drill left running; a number that another process has by now is left alone. */
const endAll = async (processes: readonly ProcessIdentity[]): Promise<void> => {
  for (const one of processes) if (isAlive(one)) await endProcess(one);
};

const inMinutes = (seconds: number): string => `${(seconds / 60).toFixed(2)} min`;

await runMain(async (args) => {
  const { values } = parseCommandLine({ args, options: { output: { type: 'string', default: 'table' }, help: { type: 'boolean' } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  await ensureTools(['guest', 'nbd'], { print: (line) => console.error(line) });
  // Short: Unix sockets live below it.
  const directory = await mkdtemp(path.join(tmpdir(), 'hfd-'));
  const processes: ProcessIdentity[] = [];
  const onStart = (pid: number): void => {
    const identity = identify(pid);
    if (identity !== undefined) processes.push(identity);
  };
  const stop = (): void => void endAll(processes).finally(() => process.exit(130));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const note = (line: string): void => console.error(line);
  try {
    const vault = `file:${path.join(directory, 'elsewhere')}`;
    const keyFile = path.join(directory, 'paper.key');
    const store = await openStore(vault);
    await (await createVault(store, { name: 'elsewhere', keys: [await writeKeyFile(keyFile)] })).close();
    note('setting up the source site');
    const site = path.join(directory, 'source');
    const source = await setUpSite({ directory: site, vault, keyFile, note, onStart });
    const gone = await source.destroy();
    if ((await readdir(directory)).includes('source'))
      throw new HoldfastError('INTERNAL', { thing: site, why: 'it is still there', remedy: 'mend the drill' });
    note(`lost: ${gone.join(', ')}, and all of their files. Left: ${vault} and ${keyFile}`);

    const bare = path.join(directory, 'bare');
    await mkdir(bare);
    const steps: Step[] = [];
    const onStep = (step: Step): void => {
      steps.push(step);
      note(`${step.what}: ${step.seconds.toFixed(1)} s (${step.seen})`);
    };
    await recoverSite({ directory: bare, vault, keyFile, machine: source.machine, onStep, onStart });
    const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
    const login = steps.slice(0, 4).reduce((sum, step) => sum + step.seconds, 0);
    if (values.output === 'json') console.log(JSON.stringify({ secondsToLogin: login, seconds, steps }, null, 2));
    else {
      for (const step of steps) console.log(`${step.what.padEnd(46)} ${inMinutes(step.seconds).padStart(9)}`);
      console.log(`${'from nothing to a login'.padEnd(46)} ${inMinutes(login).padStart(9)}`);
      console.log(`${'everything'.padEnd(46)} ${inMinutes(seconds).padStart(9)}`);
    }
    return 0;
  } finally {
    await endAll(processes);
    await rm(directory, { recursive: true, force: true });
  }
});
