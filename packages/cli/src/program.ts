import { Command } from 'commander';
import { recoverCommand } from './recover/recover.ts';
import type { Surroundings } from './surroundings.ts';
import { checkCommand } from './vault/check.ts';
import { createCommand } from './vault/create.ts';
import { exportCommand } from './vault/export.ts';
import { inspectCommand } from './vault/inspect.ts';
import { pointsCommand } from './vault/points.ts';
import { serveCommand } from './vault/serve.ts';

const HELP = `
Begin here:
  holdfast vault create --store file:/srv/vault --name office --new-key-file office.key
  holdfast vault points --vault file:/srv/vault --key-file office.key
  holdfast recover --vault file:/srv/vault --key-file office.key

\`holdfast COMMAND --help\` tells more, with examples. Exit status: 0 well, 1 what was looked at
is not well, 2 and above an error; each error begins with its [CODE].`;

const VAULT_HELP = `
A vault holds the history of machines, encrypted, in a folder or an Azure container. All of
these work on the vault alone and need no server. \`holdfast vault COMMAND --help\` tells more,
with examples.`;

/** The whole command. */
export const createProgram = (surroundings: Surroundings): Command => {
  const vault = group(new Command('vault').description('make, look into, check and read a vault').addHelpText('after', VAULT_HELP), [
    createCommand(surroundings),
    pointsCommand(surroundings),
    exportCommand(surroundings),
    serveCommand(surroundings),
    checkCommand(surroundings),
    inspectCommand(surroundings),
  ]);
  const program = new Command('holdfast').description('Disaster recovery for servers: look after vaults, and recover from them.');
  group(program.addHelpText('after', HELP), [vault, recoverCommand(surroundings)]);
  for (const command of [program, ...program.commands, ...vault.commands]) settle(command, surroundings);
  return program;
};

const group = (parent: Command, children: readonly Command[]): Command => {
  for (const child of children) parent.addCommand(child);
  return parent;
};

/** Commander shall end no process and write no error of its own. */
const settle = (command: Command, { stdout, stderr }: Surroundings): void => {
  command.exitOverride().configureOutput({
    writeOut: (text) => stdout.write(text),
    // Errors are thrown and told by whoever runs the program; help that nobody asked for is all that comes here.
    writeErr: (text) => stderr.write(text),
    outputError: () => {},
    getOutHelpWidth: () => stdout.columns || 100,
    getErrHelpWidth: () => stderr.columns || 100,
  });
};
