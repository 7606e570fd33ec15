import { idText, type Machine } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { printable } from '../output/format.ts';
import { required } from '../site/required.ts';
import { findMachine, findPolicy, findServer } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { checksAnswer } from './checks-answer.ts';
import { type TargetOptions, targetOf, targetOptions } from './target.ts';

interface ProtectOptions extends SiteOptions, WaitOptions, TargetOptions {
  readonly vault: string;
  readonly policy?: string;
  readonly excludeDisk: readonly string[];
  readonly processServer?: string;
  readonly checkOnly?: boolean;
  readonly sourceAgain?: true;
}

const DISK: Kind = { one: 'disk', many: 'disks', missing: 'DEVICE_NOT_FOUND' };

const HELP = `
Begins to copy all disks of the machine into the vault, and from then on every change. The machine goes
on working meanwhile. Without --wait the command ends when the job has begun.

MACHINE is its name, its id, or the first two or more digits of the id; policies and servers are named
alike, disks by the name they have on the machine (sdb) or their id. VAULT is the name it has in the
settings of the process server: \`holdfast server list\` tells.

Tests and failovers start it isolated, with hardware like its own; --network, --test-network and --size say
something else, \`failover\` and plans may differ from that, and \`machine set\` changes it later.

A machine that was failed over for good is fenced in its vault. With --source-again it becomes the
source again; what it was failed over to runs on, and nobody replicates it.

Examples:
  holdfast protect db1 --vault office --wait
  holdfast protect db1 --vault office --policy gold --exclude-disk sdc --exclude-disk sdd
  holdfast protect db1 --vault office --network br0 --test-network br-test --size 4x16GiB
  holdfast protect db1 --vault office --check-only`;

export const protectCommand = (surroundings: Surroundings): Command =>
  targetOptions(siteOptions(new Command('protect').description('protect a machine').argument('<machine>', 'name or id')))
    .addOption(new Option('--vault <name>', 'where its history goes (required)').makeOptionMandatory())
    .addOption(new Option('--policy <policy>', 'how it is protected: name or id (default: the one the server has for that)'))
    .addOption(
      new Option('--exclude-disk <disk>', 'leave this disk out: name or id; may be given more than once')
        .argParser((one: string, before: readonly string[]) => [...before, one])
        .default([], 'none'),
    )
    .addOption(new Option('--process-server <server>', 'through which it goes: name or id (default: chosen by load)'))
    .addOption(new Option('--source-again', 'it was failed over for good, and shall be the source again: releases the fence in the vault'))
    .addOption(new Option('--check-only', 'only look whether all is there that it needs'))
    .addOption(waitOption())
    .addHelpText('after', HELP)
    .action((word: string, options: ProtectOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const target = targetOf(options);
        const wanted = {
          machine: machine.id,
          vault: options.vault,
          policy: options.policy === undefined ? '' : (await findPolicy(site, options.policy)).id,
          processServer: options.processServer === undefined ? '' : (await findServer(site, options.processServer)).id,
          excludedDisks: disksOf(machine, options.excludeDisk),
          sourceAgain: options.sourceAgain === true,
          ...(target !== undefined && { target }),
        };
        if (options.checkOnly === true) {
          const checked = await site.machines.checkMachine({ machine: machine.id, wanted });
          if (!checked.passed) surroundings.onFindings();
          return checksAnswer(machine, checked);
        }
        const { job, warnings } = await site.protections.protect(wanted);
        for (const { code, thing, text, remedy } of warnings)
          surroundings.stderr.write(printable(`warning: ${code} (${thing}): ${text}; ${remedy}`).concat('\n'));
        return jobResult(surroundings, site, options, required(job, word), machine);
      }),
    );

/** Ids of disks of a machine, each named by its name there or its id. Error: DEVICE_NOT_FOUND. */
export const disksOf = ({ manifest }: Machine, words: readonly string[]): string[] => {
  const disks = (manifest?.disks ?? []).map(({ id, name }) => ({ id: idText(id), name }));
  return words.map((word) => chooseResource(disks, word, DISK).id);
};
