import { HoldfastError } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { confirmRetention } from '../confirm-retention.ts';
import { describeMachine } from '../machine/describe-machine.ts';
import { machinesAnswer, readNeighbourhood } from '../machine/machines-answer.ts';
import { findMachine, findPolicy, readPolicies, readProtections } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { disksOf } from './protect.ts';
import { type TargetOptions, targetOf, targetOptions } from './target.ts';

interface SetOptions extends SiteOptions, TargetOptions, ConfirmOptions {
  readonly policy?: string;
  readonly excludeDisk: readonly string[];
  readonly includeDisk: readonly string[];
  readonly pauseCopy?: boolean;
  readonly resumeCopy?: boolean;
}

const HELP = `
Changes how a protected machine is protected; it counts at once. A disk that is left out stays as it is in
points made until then; one that is taken in is copied, and points tell which disks they have. While
copies rest, nothing is read for them; changes of disks that are copied go on to the vault. Network and size
count for tests and failovers that begin from then on. Before a disk is left out, and before a policy that keeps
less history counts, it asks.

Examples:
  holdfast machine set db1 --policy gold
  holdfast machine set db1 --exclude-disk sdc --include-disk sdd
  holdfast machine set db1 --network br0 --size 4x16GiB
  holdfast machine set db1 --pause-copy`;

const several = (flags: string, says: string): Option =>
  new Option(flags, `${says}: name or id; may be given more than once`)
    .argParser((one: string, before: readonly string[]) => [...before, one])
    .default([], 'none');

export const setMachineCommand = (surroundings: Surroundings): Command =>
  targetOptions(siteOptions(new Command('set').description('change how a machine is protected').argument('<machine>', 'name or id')))
    .addOption(new Option('--policy <policy>', 'how it is protected: name or id'))
    .addOption(several('--exclude-disk <disk>', 'leave this disk out'))
    .addOption(several('--include-disk <disk>', 'take this disk in again'))
    .addOption(new Option('--pause-copy', 'let first copies and resynchronizations rest'))
    .addOption(new Option('--resume-copy', 'let them go on').conflicts('pauseCopy'))
    .addOption(yesOption())
    .addHelpText('after', HELP)
    .action((word: string, options: SetOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { policy, excludeDisk, includeDisk, pauseCopy, resumeCopy } = options;
        const copyPaused = resumeCopy === true ? false : pauseCopy;
        const target = targetOf(options);
        if (policy === undefined && target === undefined && copyPaused === undefined && excludeDisk.length + includeDisk.length === 0)
          throw new HoldfastError('SETTING_INVALID', {
            thing: 'command line',
            why: 'nothing is to be changed',
            remedy: 'see `holdfast machine set --help`',
          });
        const machine = await findMachine(site, word);
        const [next, excludeDisks] = [policy === undefined ? undefined : await findPolicy(site, policy), disksOf(machine, excludeDisk)];
        if (next !== undefined) {
          const followed = (await readProtections(site)).find(({ machineId }) => machineId === machine.id)?.policyId;
          const before = (await readPolicies(site)).find(({ id }) => id === followed);
          const { name } = machine;
          if (before !== undefined)
            await confirmRetention(surroundings, options, { before, after: next.retention, whose: name, word: name });
        }
        if (excludeDisks.length > 0)
          await confirm(
            surroundings,
            options,
            [
              `LEAVE OUT ${excludeDisk.join(', ')} of ${machine.name}`,
              '  stays      what is in the vault, and the other disks',
              '  ends       the protection of what is left out: it is in no recovery point from now on; taken in again, it is copied anew',
            ],
            machine.name,
          );
        await site.protections.updateProtection({
          machine: machine.id,
          policy: next?.id ?? '',
          excludeDisks,
          includeDisks: disksOf(machine, includeDisk),
          ...(copyPaused !== undefined && { copyPaused }),
          ...(target !== undefined && { target }),
        });
        const around = await readNeighbourhood(site);
        const { data, people } = machinesAnswer([describeMachine(await findMachine(site, machine.id), around)], surroundings.now());
        return { data: (data as readonly unknown[])[0], people };
      }),
    );
