import type { ConsoleSession } from '../recovery/console-session.ts';
import type { Person } from '../site/cli-process.ts';
import { PATIENCE } from './scenario.ts';

const succeed = async (console: ConsoleSession, line: string): Promise<string> => {
  const { output, status } = await console.run(line, PATIENCE.console);
  if (status !== 0) throw new Error(`in the server: ${line}\nended with ${status}:\n${output}`);
  return output;
};

/** Makes it like servers that were installed: their firmware remembers where the loader is, and no other file leads to it. */
export const forgetFallback = (console: ConsoleSession): Promise<string> => succeed(console, 'rm -r /boot/efi/EFI/BOOT && sync');

/** Installs the agent and enrols the machine by the lines that `holdfast token create` prints, and gives it the script for PostgreSQL. */
export const installAgent = async (console: ConsoleSession, person: Person): Promise<string> => {
  const { status, stdout, stderr } = await person.run(['token', 'create', '--role', 'agent']);
  if (status !== 0) throw new Error(stderr);
  const lines = Buffer.from(`cd "$(mktemp -d)"\n${stdout}\nstatus=$?\nrm -rf "$PWD"\nexit $status\n`).toString('base64');
  await succeed(console, 'stty -echo cols 500');
  // A terminal takes lines of 4096 characters at most.
  await succeed(console, ': >/root/lines');
  for (let at = 0; at < lines.length; at += 1000) await succeed(console, `printf %s ${lines.slice(at, at + 1000)} >>/root/lines`);
  const said = await succeed(console, 'base64 -d /root/lines | bash 2>&1; status=$?; rm /root/lines; (exit $status)');
  const directory = '/etc/holdfast/app-consistency.d';
  const script = '/opt/holdfast/holdfast-agent/app-consistency/postgresql';
  await succeed(console, `mkdir -p ${directory} && ln -s ${script} ${directory}/50-postgresql`);
  // What was unpacked and removed again shall not travel.
  await succeed(console, 'sync; fstrim / || true');
  return said;
};
