import { Command } from 'commander';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { protectionStateWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
For all that is not possible it tells why not, and what to do instead.

Examples:
  holdfast machine operations db1`;

export const machineOperationsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('operations').description('tell what can be done with it now').argument('<machine>', 'name or id'))
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name } = await findMachine(site, word);
        const { state, operations } = await site.recoveries.listOperations({ machine: id });
        const rows = operations.map(({ operation, allowed, problemCode, why, remedy }) => ({
          operation,
          allowed,
          ...(allowed ? {} : { code: problemCode, why, remedy }),
        }));
        const words = state === 0 ? 'unprotected' : protectionStateWord(state);
        return {
          data: { machine: { id, name }, state: words, operations: rows },
          people: [
            { line: `${name} is ${words}` },
            {
              columns: [
                { heading: 'OPERATION' },
                { heading: 'POSSIBLE' },
                { heading: 'WHY NOT', shrink: true },
                { heading: 'INSTEAD', shrink: true },
              ],
              rows: operations.map(({ operation, allowed, why, remedy }) => [operation, allowed ? 'yes' : 'no', why, remedy]),
            },
          ],
        };
      }),
    );
