import { Command } from 'commander';
import { required } from '../site/required.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

export const renameMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('rename').description('call a machine otherwise').argument('<machine>', 'name or id').argument('<new-name>', 'from now on'),
  ).action((word: string, wanted: string, options: SiteOptions) =>
    answerFromSite(surroundings, options, async (site) => {
      const before = await findMachine(site, word);
      const { machine } = await site.machines.renameMachine({ machine: before.id, name: wanted, version: before.version });
      const { id, name } = required(machine, `machine ${word}`);
      return {
        data: { id, name, before: before.name },
        people: [{ line: `Machine ${before.name} (${id}) is called ${name} from now on.` }],
      };
    }),
  );
