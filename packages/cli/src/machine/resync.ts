import { Command } from 'commander';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const HELP = `
Compares every disk with what the vault has of it, and sends what differs: all is read, little travels.
Points made before stay good; there are none in between, so nobody needs this but who doubts a disk.
How far it is: holdfast machine show MACHINE. It can rest: holdfast machine set MACHINE --pause-copy.`;

export const resyncMachineCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('resync').description('compare its disks with the vault').argument('<machine>', 'name or id'))
    .addHelpText('after', HELP)
    .action((word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name } = await findMachine(site, word);
        await site.protections.operate({ machine: id, operation: 'resynchronize' });
        return {
          data: { id, name },
          people: [{ line: `The disks of ${name} are compared with the vault; see \`holdfast machine show ${name}\`.` }],
        };
      }),
    );
