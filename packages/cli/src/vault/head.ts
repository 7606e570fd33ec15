import { readFile, writeFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type Anchor, readMachine } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { machinesOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface HeadOptions extends VaultOptions {
  readonly machine?: string;
  readonly export?: string;
  readonly compare?: string;
}

const HELP = `
The head of a machine's log is the last slot that counts: its number and its tag. Kept outside
the vault it is an anchor: a vault that was set back to an older copy, or in which history was
replaced, does not have that slot any more. --export writes the heads into a file; --compare
reads such a file and ends with VAULT_ROLLED_BACK when a vault does not hold what it held.

Examples:
  holdfast vault head --vault file:/srv/vault --key-file office.key --export office.heads
  holdfast vault head --vault file:/srv/vault --key-file office.key --compare office.heads

${STORE_HELP}`;

export const headCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('head').description('tell where the logs stand; keep and compare that'))
    .addOption(machinesOption())
    .addOption(new Option('--export <file>', 'write it into a file to keep elsewhere'))
    .addOption(new Option('--compare <file>', 'a file written before: all in it must still be there'))
    .addHelpText('after', HELP)
    .action((options: HeadOptions) => head(surroundings, options));

const head = (surroundings: Surroundings, options: HeadOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop, now } = surroundings;
    const kept = options.compare === undefined ? undefined : await readHeads(options.compare, vault.id);
    const all = await orStopped(stop, vault.machines());
    const meant = options.machine === undefined ? all : [chooseMachine(all, options.machine)];
    for (const id of kept?.keys() ?? [])
      if (options.machine === undefined && !all.some((machine) => machine.id === id))
        throw new HoldfastError('VAULT_ROLLED_BACK', {
          thing: `machine ${id}`,
          why: 'it was in the vault when the heads were exported, and is not any more',
          remedy: 'find out who put an older copy in place',
        });
    const heads: { readonly machine: { readonly id: string; readonly name: string }; readonly head: Anchor; readonly time: number }[] = [];
    for (const machine of meant) {
      const anchor = kept?.get(machine.id);
      const history = await orStopped(stop, readMachine(vault, machine.id, anchor && { anchor }));
      heads.push({ machine: { id: machine.id, name: machine.name }, head: history.head, time: history.points.at(-1)?.time ?? 0 });
    }
    const data = {
      vault: vault.id,
      time: formatTime(now()),
      heads: heads.map(({ machine, head: at, time }) => ({ machine, ...at, ...(time > 0 && { newestPoint: formatTime(time) }) })),
    };
    if (options.export !== undefined)
      await writeFile(options.export, `${JSON.stringify(data, null, 2)}\n`, { flag: 'wx' }).catch((reason: unknown) => {
        throw fromSystem(reason, options.export!);
      });
    writeAnswer(surroundings, options, {
      data,
      people: [
        {
          columns: [
            { heading: 'MACHINE', shrink: true },
            { heading: 'SLOT', right: true },
            { heading: 'TERM', right: true },
            { heading: 'NEWEST POINT' },
            { heading: 'TAG', shrink: true },
          ],
          rows: heads.map(({ machine, head: at, time }) => [
            machineLabel(machine),
            String(at.sequence),
            String(at.term),
            time > 0 ? formatTime(time) : '',
            at.tag,
          ]),
        },
        ...(kept === undefined ? [] : [{ line: 'All that was there when the heads were exported is there.' }]),
      ],
    });
  });

/** Heads by machine. Errors: DAMAGED (no such file), SETTING_INVALID (of another vault). */
const readHeads = async (path: string, vaultId: string): Promise<Map<string, Anchor>> => {
  const text = await readFile(path, 'utf8').catch((reason: unknown) => {
    throw fromSystem(reason, path);
  });
  const damaged = new HoldfastError('DAMAGED', { thing: path, why: 'it holds no heads', remedy: 'name a file that --export wrote' });
  let parsed: { readonly vault?: unknown; readonly heads?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    throw damaged;
  }
  if (!Array.isArray(parsed.heads)) throw damaged;
  if (parsed.vault !== vaultId)
    throw new HoldfastError('SETTING_INVALID', {
      thing: path,
      why: `it is of vault ${String(parsed.vault)}, and this is ${vaultId}`,
      remedy: 'name the file of this vault',
    });
  const heads = new Map<string, Anchor>();
  for (const { machine, sequence, tag, term } of parsed.heads as readonly {
    machine?: { id?: unknown };
    sequence?: unknown;
    tag?: unknown;
    term?: unknown;
  }[]) {
    const isHead =
      typeof machine?.id === 'string' && Number.isSafeInteger(sequence) && typeof tag === 'string' && Number.isSafeInteger(term);
    if (!isHead) throw damaged;
    heads.set(machine.id as string, { sequence: sequence as number, tag: tag as string, term: term as number });
  }
  return heads;
};
