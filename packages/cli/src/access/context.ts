import { Command } from 'commander';
import { type Answer, type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import {
  CONTEXT_VARIABLE,
  type Context,
  type Contexts,
  chooseContext,
  contextsFile,
  readContexts,
  writeContexts,
} from '../site/contexts.ts';
import type { Surroundings } from '../surroundings.ts';

/** What may be shown of a context: its token stays where it is. */
const describeContext = ({ name, server, fingerprint }: Context, inUse: string | undefined) => ({
  name,
  server,
  fingerprint,
  inUse: name === inUse,
});

const inUse = ({ current }: Contexts, { environment }: Surroundings): string | undefined => environment[CONTEXT_VARIABLE] || current;

export const listContextsCommand = (surroundings: Surroundings): Command =>
  new Command('list')
    .description('list the configuration servers you are logged in at')
    .addOption(outputOption())
    .action(async (options: OutputOptions) => {
      const all = await readContexts(surroundings.environment);
      writeAnswer(surroundings, options, contextsAnswer(all, inUse(all, surroundings)));
    });

const contextsAnswer = ({ contexts }: Contexts, used: string | undefined): Answer => ({
  data: contexts.map((context) => describeContext(context, used)),
  people:
    contexts.length === 0
      ? [{ line: 'You are logged in nowhere; see `holdfast login --help`.' }]
      : [
          {
            columns: [
              { heading: '' },
              { heading: 'CONTEXT', shrink: true },
              { heading: 'SERVER', shrink: true },
              { heading: 'FINGERPRINT', shrink: true, optional: true },
            ],
            rows: contexts.map(({ name, server, fingerprint }) => [name === used ? '*' : '', name, server, fingerprint]),
          },
        ],
});

export const useContextCommand = (surroundings: Surroundings): Command =>
  new Command('use')
    .description('use this login from now on')
    .argument('<context>', 'its name')
    .addOption(outputOption())
    .action(async (word: string, options: OutputOptions) => {
      const { environment } = surroundings;
      const all = await readContexts(environment);
      const context = chooseContext(all, environment, word);
      await writeContexts(environment, { ...all, current: context.name });
      writeAnswer(surroundings, options, {
        data: describeContext(context, context.name),
        people: [{ line: `Commands go to ${context.server} from now on.` }],
      });
    });

export const showContextCommand = (surroundings: Surroundings): Command =>
  new Command('show')
    .description('tell about a login')
    .argument('[context]', 'its name (default: the one in use)')
    .addOption(outputOption())
    .action(async (word: string | undefined, options: OutputOptions) => {
      const { environment } = surroundings;
      const all = await readContexts(environment);
      const context = chooseContext(all, environment, word);
      const described = describeContext(context, inUse(all, surroundings));
      writeAnswer(surroundings, options, {
        data: { ...described, authority: context.authority, file: contextsFile(environment) },
        people: [
          { line: `${context.name}${described.inUse ? ', in use' : ''}` },
          { line: `  server       ${context.server}` },
          { line: `  fingerprint  ${context.fingerprint}` },
          { line: `  kept in      ${contextsFile(environment)}` },
        ],
      });
    });
