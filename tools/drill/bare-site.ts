import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { MINI_MARKER, MINI_PASSWORD } from '../mini-image/index.ts';
import { runningCommand } from '../recovery/command-process.ts';
import { openSession } from '../recovery/console-session.ts';
import { createPerson, outputOf, runProcess } from '../site/cli-process.ts';
import { startConfigurationServer } from '../site/configuration-server.ts';
import { mainOf } from '../site/from-source.ts';

const PATIENCE_MILLISECONDS = 300_000;

export interface Step {
  readonly what: string;
  readonly seconds: number;
  /** What was seen. */
  readonly seen: string;
}

export interface BareSiteOptions {
  /** Empty. */
  readonly directory: string;
  readonly vault: string;
  readonly keyFile: string;
  readonly machine: string;
  readonly onStep: (step: Step) => void;
  readonly onStart: (pid: number) => void;
}

const parsed = <T>(text: string): T => JSON.parse(text) as T;

/** From a bare directory, a URL and a key: looks, starts the machine, logs in, has a configuration server again. Leaves nothing running. */
export const recoverSite = async ({ directory, vault, keyFile, machine, onStep, onStart }: BareSiteOptions): Promise<void> => {
  let begun = performance.now();
  const step = (what: string, seen: string): void => {
    onStep({ what, seconds: (performance.now() - begun) / 1000, seen });
    begun = performance.now();
  };
  const place = path.join(directory, 'r');
  const access = ['--vault', vault, '--key-file', keyFile];

  const listed = await runningCommand('recover', 'points', ...access, '--output', 'json').ended;
  if (listed.status !== 0) throw new Error(listed.stderr);
  const { total, machine: known } = parsed<{ total: number; machine: { id: string } }>(listed.stdout);
  step('list what there is', `${total} points of ${machine}`);

  const boot = runningCommand(
    'recover',
    'boot',
    ...access,
    '--machine',
    machine,
    '--memory',
    '256MiB',
    '--directory',
    place,
    '--output',
    'json',
  );
  onStart(boot.process.pid!);
  const { operation, pid } = parsed<{ operation: string; pid: number }>((await boot.written(/^\{[\s\S]*\n\}\n/))[0]);
  onStart(pid);
  step('start the machine', `QEMU runs, process ${pid}`);
  const fabric = createQemuFabric({ directory: path.join(place, 'machines') });
  try {
    const session = openSession(await (await fabric.console(operation)).open());
    const [marker] = await session.expect(MINI_MARKER, PATIENCE_MILLISECONDS);
    if (!marker.includes('payload=good')) throw new Error(`the machine's data are wrong: ${marker}`);
    step('its system is up', marker);
    await session.logIn(MINI_PASSWORD, PATIENCE_MILLISECONDS);
    const { output } = await session.run('hostname; sha256sum -c /payload.sha256', PATIENCE_MILLISECONDS);
    if (!output.includes('payload: OK')) throw new Error(`logged in, and its data are wrong: ${output}`);
    step('log in on the console', output.trim().replaceAll(/\s*\n\s*/g, '; '));
  } finally {
    await fabric.remove(operation);
    boot.process.kill('SIGINT');
    await boot.ended;
    await runningCommand('recover', 'discard', operation, ...access, '--directory', place).ended;
  }

  begun = performance.now();
  const state = path.join(directory, 'cs', 'state');
  const rebuild = ['rebuild', '--from-vault', vault, '--key-file', keyFile, '--state.directory', state];
  const rebuilt = outputOf('rebuild', await runProcess(mainOf('configuration-server'), rebuild, { onStart }));
  const server = await startConfigurationServer({ directory: path.join(directory, 'cs'), onStart });
  try {
    const person = createPerson(path.join(directory, 'person'), onStart);
    const login = ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'new'];
    await person.json(login, { input: server.administratorToken });
    const machines = await person.json<{ id: string; name: string }[]>(['machine', 'list']);
    if (!machines.some(({ id }) => id === known.id)) throw new Error(`the rebuilt server does not know ${machine}: ${rebuilt}`);
    step('a new configuration server out of the vault', `it knows ${machines.map(({ name }) => name).join(', ')}`);
  } finally {
    await server.process.stop();
  }
};
