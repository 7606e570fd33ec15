import { type MachineStats, machineStats, type StoredAmounts, storedAmounts } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { DEFAULT_PRICES, type PriceTable, readPrices } from './price-table.ts';
import { machinesOption, readMachines, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface StatsOptions extends VaultOptions {
  readonly machine?: string;
  readonly prices?: string;
}

const HELP = `
Sizes, numbers of objects and requests, and what that costs in a month, by a table of prices of
your own (--prices FILE, YAML) or one that is roughly Azure's. CHANGED is what the source changed
in all points that are kept, RATIO how many times that is what is stored. Requests are told from
the numbers of slots and the time in which the newest were made.

Examples:
  holdfast vault stats --vault file:/srv/vault --key-file office.key
  holdfast vault stats --vault file:/srv/vault --key-file office.key --prices contract.yaml --output json

${STORE_HELP}`;

export const statsCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('stats').description('sizes, objects, requests, and what they cost'))
    .addOption(machinesOption())
    .addOption(new Option('--prices <file>', 'table of prices (default: roughly those of Azure, hot)'))
    .addHelpText('after', HELP)
    .action((options: StatsOptions) => stats(surroundings, options));

const MONTH = 30 * 24 * 3_600_000;
const NOTHING: StoredAmounts = {
  folders: Object.fromEntries(
    ['keys', 'terms', 'log', 'catalogue', 'history', 'runs', 'parts', 'holds', 'scrubs', 'proofs'].map((name) => [
      name,
      { objects: 0, bytes: 0 },
    ]),
  ) as StoredAmounts['folders'],
  total: { objects: 0, bytes: 0 },
  tiers: {},
  created: 0,
  slots: undefined,
};

const COOLER = ['cool', 'cold', 'archive'] as const;

interface MachineCost {
  /** Requests that create, in a month at the pace of the slots that are there; unknown below two of them. */
  readonly writesPerMonth: number | undefined;
  readonly perMonth: { readonly storage: number; readonly writes: number; readonly total: number };
  /** For reading all of its disks once, over the border of the region. */
  readonly recovery: number;
  /** For what would be paid on if all that is in cooler tiers were deleted now: they have a shortest time. */
  readonly earlyDeletion: number;
}

/** A term check goes with every slot: one read. */
const costOf = ({ slots, total, tiers, protectedBytes }: MachineStats, prices: PriceTable): MachineCost => {
  const passed = slots === undefined ? 0 : slots.newest - slots.oldest;
  const writesPerMonth =
    slots === undefined || slots.count < 2 || passed <= 0 ? undefined : Math.round(((slots.count - 1) / passed) * MONTH);
  const cooler = COOLER.map((tier) => ({ price: prices[`${tier}GBMonth`], ...(tiers[tier] ?? { bytes: 0, byteDaysOwed: 0 }) }));
  const storage =
    cooler.reduce((sum, { bytes, price }) => sum + (bytes / 1e9) * (price - prices.storageGBMonth), 0) +
    (total.bytes / 1e9) * prices.storageGBMonth;
  const earlyDeletion = cooler.reduce((sum, { byteDaysOwed, price }) => sum + (byteDaysOwed / 1e9 / 30) * price, 0);
  const retrieval =
    (((tiers.cool?.bytes ?? 0) * prices.coolReadGB + (tiers.cold?.bytes ?? 0) * prices.coldReadGB) / 1e9) *
    Math.min(1, protectedBytes / Math.max(1, total.bytes));
  const writes = ((writesPerMonth ?? 0) / 1e4) * (prices.writes10k + prices.reads10k);
  return {
    writesPerMonth,
    perMonth: { storage, writes, total: storage + writes },
    recovery: (protectedBytes / 1e9) * prices.egressGB + retrieval,
    earlyDeletion,
  };
};

const stats = (surroundings: Surroundings, options: StatsOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const prices = options.prices === undefined ? DEFAULT_PRICES : await readPrices(options.prices);
    const stored = await orStopped(surroundings.stop, storedAmounts(vault));
    const machines = (await readMachines(surroundings, vault, options.machine)).map((history) => {
      const about = machineStats(history, stored.get(history.machine.id) ?? NOTHING);
      return { history, about, cost: costOf(about, prices), ratio: about.total.bytes === 0 ? 0 : about.changedBytes / about.total.bytes };
    });
    const money = (amount: number): string => `${amount.toFixed(2)} ${prices.currency}`;
    const sum = machines.reduce((all, { cost }) => all + cost.perMonth.total, 0);
    writeAnswer(surroundings, options, {
      data: {
        prices,
        perMonth: sum,
        machines: machines.map(({ history: { machine }, about: { slots, ...about }, ratio, cost }) => ({
          machine: { id: machine.id, name: machine.name },
          ...about,
          ratio,
          ...(slots && { slots: { ...slots, oldest: formatTime(slots.oldest), newest: formatTime(slots.newest) } }),
          cost,
        })),
      },
      people: [
        {
          columns: [
            { heading: 'MACHINE', shrink: true },
            { heading: 'POINTS', right: true },
            { heading: 'DISKS', right: true },
            { heading: 'CHANGED', right: true },
            { heading: 'STORED', right: true },
            { heading: 'RATIO', right: true },
            { heading: 'OBJECTS', right: true },
            { heading: 'WRITES/MONTH', right: true },
            { heading: 'A MONTH', right: true },
          ],
          rows: machines.map(({ history, about, ratio, cost }) => [
            machineLabel(history.machine),
            String(about.points),
            formatBytes(about.protectedBytes),
            formatBytes(about.changedBytes),
            formatBytes(about.total.bytes),
            ratio.toFixed(2),
            String(about.total.objects),
            cost.writesPerMonth === undefined ? '' : cost.writesPerMonth.toLocaleString('en-US'),
            money(cost.perMonth.total),
          ]),
        },
        ...tiersInWords(
          machines.map(({ about, cost }) => ({ ...about, ...cost })),
          money,
        ).map((line) => ({ line })),
        {
          line: `${money(sum)} a month at the prices of ${options.prices ?? 'the default table: see docs/cli.md, and your own contract'}.`,
        },
      ],
    });
  });

/** What is in cooler tiers; nothing where all is in one place. */
const tiersInWords = (
  machines: readonly (Pick<MachineStats, 'tiers'> & Pick<MachineCost, 'earlyDeletion'>)[],
  money: (amount: number) => string,
): string[] => {
  const bytesIn = (tier: (typeof COOLER)[number]) => machines.reduce((sum, { tiers }) => sum + (tiers[tier]?.bytes ?? 0), 0);
  const told = COOLER.filter((tier) => bytesIn(tier) > 0).map((tier) => `${formatBytes(bytesIn(tier))} ${tier}`);
  if (told.length === 0) return [];
  const early = machines.reduce((sum, { earlyDeletion }) => sum + earlyDeletion, 0);
  const unreadable = bytesIn('archive') > 0 ? ' What is in archive cannot be read, and so no point that needs it: move it back.' : '';
  return [`In cooler tiers: ${told.join(', ')}; to delete that today would cost ${money(early)}.${unreadable}`];
};
