import { Command } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { chooseContext, readContexts, writeContexts } from '../site/contexts.ts';
import { openSite } from '../site/site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Forgets a login on this machine. What you signed in to with a password ends at the server too, where it can
be reached; the token of a tool stays good elsewhere.

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
      const context = chooseContext(all, environment, word);
      const { name, server } = context;
      const site = openSite(context, surroundings);
      // A server that is away, and a token of a tool, are no reason to remember it.
      const signedOut = await site.sessions.signOut({}).then(
        () => true,
        () => false,
      );
      site.close();
      await writeContexts(environment, {
        current: all.current === name ? undefined : all.current,
        contexts: all.contexts.filter((one) => one.name !== name),
      });
      writeAnswer(surroundings, options, {
        data: { name, server, signedOut },
        people: [{ line: `Context ${name} (${server}) is forgotten here${signedOut ? ', and has ended there' : ''}.` }],
      });
    });
