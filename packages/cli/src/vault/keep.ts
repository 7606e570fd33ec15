import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type KeepReport, keepMachine, type MachineSummary, type RetentionPolicy, type TierPolicy, type Vault } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseMachine, machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { type Answer, renderAnswer } from '../output/answer.ts';
import { formatBytes } from '../output/format.ts';
import { RETENTIONS, retentionOf } from '../parse-retention.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { type KeeperKeyOptions, keeperKeyFor, keeperKeyOption } from '../secrets/keeper-key.ts';
import type { Surroundings } from '../surroundings.ts';
import { machinesOption, paceOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface KeepCommandOptions extends VaultOptions, KeeperKeyOptions {
  readonly machine?: string;
  readonly retention?: RetentionPolicy;
  readonly every?: number;
  readonly pace?: number;
  readonly coolAfter?: number;
  readonly coldAfter?: number;
  readonly lockFor?: number;
  readonly adopt?: boolean;
}

interface KeptMachine {
  readonly machine: MachineSummary;
  readonly report?: KeepReport;
  readonly problem?: { readonly code: string; readonly message: string };
}

const HELP = `
Looks after a vault as the keeper of a process server does: compacts (moves what is old out of
the log into fewer, sorted objects), forgets points by the retention, and deletes what nobody
needs any more, a day after it was given up. Without --retention no point is forgotten. Run it
next to the store, where reading costs nothing; any number may run at the same time.

--cool-after and --cold-after move what compaction wrote so long ago into cooler access tiers of
the store (Azure), where keeping is cheaper and reading dearer, and what is deleted within 30 (cool) or
90 (cold) days is paid for all the same: \`holdfast vault stats\` tells what that is. The log
always stays where it is.

--lock-for locks what points need, but for what is still in the log, in the store (Azure, with
version-level immutability): until then nobody deletes it, not even who owns the account, and nothing
takes a lock back. Locks are renewed when half of the time is left; what is given up meanwhile
is paid for until its lock ends. Key slots are not locked: keep the recovery kit.

--keeper-key names a key that only the keepers of the vault have. With it a keeper acts upon nothing
but what a keeper vouched for, or what the log says: whoever stole the credential of a process server,
and its key of the vault, brings no keeper to delete the past. All keepers of a vault need the same;
those without refuse. --adopt vouches for what there is: the first time in a vault that was kept
without, and after a repair.

Nothing is forgotten while a machine is failed over or a disk of it is copied or
resynchronized, of what holds name, or of the newest three points; ages count back from the
newest point. Nothing is touched in a vault that is not whole: see \`holdfast vault repair\`.

Examples:
  holdfast vault keep --vault file:/srv/vault --key-file office.key --retention 72h
  holdfast vault keep --vault file:/srv/vault --key-file office.key --retention 15d --every 15min --pace 20MiB
  holdfast vault keep --vault file:/srv/vault --key-file office.key --retention 'all 2h, 1h 3d, 1d 90d, 1w 7y'
  holdfast vault keep --vault azure:https://acme.blob.core.windows.net/vault --key-file office.key --cool-after 30d

${STORE_HELP}`;

export const keepCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('keep').description('compact, forget points by a retention, delete what nobody needs'))
    .addOption(machinesOption())
    .addOption(
      new Option('--retention <grid>', "which points stay, all unless told; or a grid: 'all 2h, 1h 3d, 1d 90d'")
        .choices(RETENTIONS)
        .argParser(retentionOf),
    )
    .addOption(new Option('--every <time>', 'again and again, so long after the last time; Ctrl-C ends it').argParser(parseSeconds))
    .addOption(paceOption())
    .addOption(new Option('--cool-after <time>', 'move parts of that age to the tier cool').argParser(parseSeconds))
    .addOption(new Option('--cold-after <time>', 'move parts of that age to the tier cold').argParser(parseSeconds))
    .addOption(new Option('--lock-for <time>', 'let nobody delete what points need for so long').argParser(parseLockTime))
    .addOption(keeperKeyOption())
    .option('--adopt', 'vouch for the newest catalogues as they are, whoever published them')
    .addHelpText('after', HELP)
    .action((options: KeepCommandOptions) => keep(surroundings, options));

const keep = (surroundings: Surroundings, options: KeepCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop, stdout } = surroundings;
    if (tiersOf(options) !== undefined && vault.store.setTier === undefined)
      throw new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: vault.store.url,
        why: 'this store has no access tiers',
        remedy: 'leave out --cool-after and --cold-after',
      });
    if (options.lockFor !== undefined && vault.store.lockUntil === undefined)
      throw new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: vault.store.url,
        why: 'this store has no locks that bind everybody',
        remedy: 'leave out --lock-for',
      });
    if (options.adopt === true && options.keeperKey === undefined)
      throw new HoldfastError('SETTING_INVALID', {
        thing: '--adopt',
        why: 'nobody can vouch for anything without a key',
        remedy: 'name one with --keeper-key',
      });
    if (options.every === undefined)
      return void stdout.write(renderAnswer(surroundings, options, describe(await round(surroundings, vault, options))));
    while (!stop.aborted) {
      const answer = describe(await round(surroundings, vault, options).catch(unlessStopped(surroundings)));
      if (stop.aborted) return;
      stdout.write(options.output === 'json' ? `${JSON.stringify(answer.data)}\n` : renderAnswer(surroundings, options, answer));
      await sleep(options.every * 1000, undefined, { signal: stop }).catch(() => undefined);
    }
  });

/** Seconds, the limit of `keeper.lock-for`. */
const LONGEST_LOCK = 3650 * 24 * 3600;

/** What is locked by mistake stays, and is paid for. */
const parseLockTime = (text: string): number => {
  const seconds = parseSeconds(text);
  if (seconds <= LONGEST_LOCK) return seconds;
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(text),
    why: 'nothing is locked for more than ten years: nobody could take that back',
    remedy: 'give 3650d at most; locks are renewed',
  });
};

const tiersOf = ({ coolAfter, coldAfter }: KeepCommandOptions): TierPolicy | undefined =>
  coolAfter === undefined && coldAfter === undefined
    ? undefined
    : { ...(coolAfter && { coolAfter: coolAfter * 1000 }), ...(coldAfter && { coldAfter: coldAfter * 1000 }) };

/** Somebody who looks again and again ends well when asked to end. */
const unlessStopped =
  ({ stop }: Surroundings) =>
  (reason: unknown): KeptMachine[] => {
    if (stop.aborted) return [];
    throw reason;
  };

/** Machines one after the other; what goes wrong with one concerns no other. */
const round = async (surroundings: Surroundings, vault: Vault, options: KeepCommandOptions): Promise<KeptMachine[]> => {
  const { stop, onFindings } = surroundings;
  const tiers = tiersOf(options);
  const keeperKey = await keeperKeyFor(vault, options);
  const all = await orStopped(stop, vault.machines());
  const meant = options.machine === undefined ? all : [chooseMachine(all, options.machine)];
  const kept: KeptMachine[] = [];
  for (const machine of meant) {
    try {
      const report = await orStopped(
        stop,
        keepMachine(vault, machine.id, {
          signal: stop,
          ...(options.retention && { policy: options.retention }),
          ...(tiers && { tiers }),
          keeperKey,
          ...(options.adopt && { adopt: true }),
          ...(options.lockFor && { lockFor: options.lockFor * 1000 }),
        }),
      );
      kept.push({ machine, report });
    } catch (reason) {
      stop.throwIfAborted();
      if (!isHoldfastError(fromSystem(reason, machine.id))) throw reason;
      const { code, message } = fromSystem(reason, machine.id);
      kept.push({ machine, problem: { code, message } });
      onFindings();
    }
  }
  return kept;
};

const describe = (kept: readonly KeptMachine[]): Answer => ({
  data: {
    machines: kept.map(({ machine: { id, name }, report, problem }) => ({
      machine: { id, name },
      ...report,
      ...(problem && { problem }),
    })),
  },
  people: [
    {
      columns: [
        { heading: 'MACHINE', shrink: true },
        { heading: 'COMPACTED', right: true },
        { heading: 'IN RUNS', right: true },
        { heading: 'FORGOTTEN', right: true },
        { heading: 'DELETED', right: true },
        { heading: 'MOVED', right: true },
        { heading: 'LOCKED', right: true },
        { heading: 'NOTE' },
      ],
      rows: kept.map(({ machine, report, problem }) => [
        machineLabel(machine),
        report === undefined ? '' : String(report.compactions),
        report === undefined ? '' : formatBytes(report.runBytes),
        report === undefined ? '' : String(report.thinned),
        report === undefined ? '' : formatBytes(report.bytes),
        report === undefined ? '' : String(report.moved),
        report === undefined ? '' : String(report.lockedAnew),
        problem?.code ?? report?.suspended ?? (report?.locked ? `${report.locked} objects are locked in the store` : ''),
      ]),
    },
    ...kept.flatMap(({ problem }) => (problem === undefined ? [] : [{ line: problem.message }])),
  ],
});
