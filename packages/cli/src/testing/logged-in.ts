import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Surroundings } from '../surroundings.ts';
import { type CommandResult, createTestWorld } from './run-command.ts';
import { SAMPLE_NOW } from './sample-site.ts';
import { type Script, TOKEN } from './script.ts';
import { openScriptedSite, type ScriptedSite } from './scripted-site.ts';

/** A scripted site, and somebody who is logged in there. */
export interface LoggedIn {
  readonly site: ScriptedSite;
  /** Where contexts are kept. */
  readonly directory: string;
  run(args: readonly string[], changes?: Partial<Surroundings>): Promise<CommandResult>;
  /** `--output json` of a command that ends well. */
  json(args: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export const logIn = async (script: Script): Promise<LoggedIn> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-login-'));
  const site = await openScriptedSite({ ...script, date: new Date(SAMPLE_NOW).toUTCString() });
  const world = createTestWorld();
  const run: LoggedIn['run'] = (args, changes) =>
    world.run(args, { environment: { HOLDFAST_CLI_DIRECTORY: directory }, now: () => SAMPLE_NOW, ...changes });
  const login = await run(['login', '--server', site.url, '--fingerprint', site.authority.fingerprint, '--name', 'test'], {
    readInput: async () => `${TOKEN}\n`,
  });
  if (login.status !== 0) throw new Error(login.stderr);
  site.calls.length = 0;
  return {
    site,
    directory,
    run,
    json: async (args) => {
      const { status, stdout, stderr } = await run([...args, '--output', 'json']);
      if (status !== 0 || stderr !== '') throw new Error(`status ${status}: ${stderr}`);
      return JSON.parse(stdout);
    },
    close: async () => {
      await site.close();
      await rm(directory, { recursive: true });
    },
  };
};
