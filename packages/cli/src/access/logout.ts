import { Command } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { chooseContext, readContexts, writeContexts } from '../site/contexts.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Forgets a login on this machine: its token is gone from here, and stays good elsewhere.

Examples:
  holdfast logout
  holdfast logout lab`;

export const logoutCommand = (surroundings: Surroundings): Command =>
  new Command('logout')
    .description('forget a login')
    .argument('[context]', 'its name (default: the one in use)')
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action(async (word: string | undefined, options: OutputOptions) => {
      const { environment } = surroundings;
      const all = await readContexts(environment);
      const { name, server } = chooseContext(all, environment, word);
      await writeContexts(environment, {
        current: all.current === name ? undefined : all.current,
        contexts: all.contexts.filter((one) => one.name !== name),
      });
      writeAnswer(surroundings, options, { data: { name, server }, people: [{ line: `Context ${name} (${server}) is forgotten here.` }] });
    });
