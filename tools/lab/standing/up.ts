import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HoldfastError } from '@holdfast/errors';
import { ensureTools } from '../../setup/ensure-tools.ts';
import { FROM_SOURCE } from '../../site/from-source.ts';
import { LAB_TOOLS } from '../announcement.ts';
import { isAlive } from '../host/processes.ts';
import { refuseUsedFolder } from '../lab-vault.ts';
import type { LabOptions } from '../options.ts';
import { checkLength, checkRoom } from '../preconditions.ts';
import { newRunId, runDirectory } from '../record/run-record.ts';
import { CLOCK_FILE } from './clock-files.ts';
import { writeEnvironment } from './environment.ts';
import { findStandingLab, type LabInfo, readLabInfo } from './lab-info.ts';
import type { SuperviseMessage, SuperviseSettings } from './supervise.ts';

const SUPERVISOR = fileURLToPath(new URL('./supervise.ts', import.meta.url));

const refuseWithoutRights = (): void => {
  if (process.platform === 'linux' && process.getuid?.() === 0) return;
  throw new HoldfastError('NO_PERMISSION', {
    thing: 'the lab',
    why: 'it makes loop devices and traces them, which needs root on Linux',
    remedy: 'run as root; `npm start` shows without root what can be shown',
  });
};

const refuseSecond = (): void => {
  const found = findStandingLab();
  if (found === undefined || !isAlive(found.record.owner)) return;
  throw new HoldfastError('ALREADY_RUNNING', {
    thing: found.record.directory,
    why: 'a lab is up already',
    remedy: 'see `npm run lab -- status`, or take it down with `npm run lab -- down`',
  });
};

/** How to go on, for people. */
const invitation = (directory: string, { url, fingerprint, tokenFile, disks, vault }: LabInfo): string[] => [
  '',
  'The lab is up, and stays until `npm run lab -- down`. In a shell of yours:',
  '',
  `  . ${writeEnvironment(directory)}      # the login, and where the vault and its key are`,
  '  npm run holdfast -- machine list --watch             # how safe the machine is',
  '  npm run holdfast -- event list                       # what happened',
  '  npm run holdfast -- vault points --vault "$VAULT" --key-file "$KEY"',
  '  npm run holdfast -- recover --vault "$VAULT" --key-file "$KEY" --export /tmp/recovered',
  '',
  `Its disks are mounted at ${disks.map(({ mountPoint }) => mountPoint).join(' and ')}: write what you like. ${CLOCK_FILE} on each`,
  'holds the time, so that a recovered disk tells of when it is. End programs with kill -9: they are started again, and nothing is lost.',
  `The vault is in ${vault.place}. From elsewhere, with logins of your own:`,
  '',
  `  npm run holdfast -- login --server ${url} --fingerprint ${fingerprint} \\`,
  `    < ${tokenFile}`,
];

/** Passes on what the supervisor says until the lab is up or never will be. */
const untilUp = (child: ChildProcess, print: (line: string) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    child.on('message', (message: SuperviseMessage) => {
      if (message.type === 'line') print(message.text);
      else if (message.type === 'up') resolve();
      else reject(Object.assign(new Error(message.message), { status: message.status }));
    });
    child.on('error', reject);
    child.on('exit', (status, signal) => reject(new Error(`the lab's supervisor ended with ${signal ?? `status ${status}`}`)));
  });

/** Sets the lab up in processes that stay, and says how to use it. Resolves to the exit status. Ctrl-C takes all of it away again. */
export const up = async (args: readonly string[], options: LabOptions, print: (line: string) => void): Promise<number> => {
  refuseWithoutRights();
  refuseSecond();
  if (options.vault !== undefined) refuseUsedFolder(options.vault);
  const id = newRunId();
  const directory = runDirectory(id);
  checkLength(directory);
  checkRoom(directory.slice(0, directory.lastIndexOf('/')), 'ledger');
  await ensureTools(LAB_TOOLS, { print });
  print(`makes two disks (loop devices; ext4 and XFS) and ${options.vault ?? 'Azurite'}, configuration server, process server and agent,`);
  print(`everything in ${directory} and on ports of 127.0.0.1`);
  const settings: SuperviseSettings = { id, args };
  const child = spawn(process.execPath, [...FROM_SOURCE, SUPERVISOR, JSON.stringify(settings)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const pass = (): void => void child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass);
  try {
    await untilUp(child, print);
  } catch (reason) {
    print((reason as Error).message);
    return (reason as { readonly status?: number }).status ?? 1;
  } finally {
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
  for (const line of invitation(directory, readLabInfo(directory)!)) print(line);
  return 0;
};
