import { inspectVault, type KeySlotInspection, type MachineHistory, type MachineObjects } from '@holdfast/vault';
import { Command } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { readMachines, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

const HELP = `
Tells what a vault is made of: its key slots (one for each holder of a key; no secret is shown),
machines, writers' terms, slots of the logs, bytes. Whether it is whole is for \`holdfast vault
check\` to say.

Example:
  holdfast vault inspect --vault file:/srv/vault --key-file office.key --output yaml

${STORE_HELP}`;

export const inspectCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('inspect').description('tell what the vault is made of'))
    .addHelpText('after', HELP)
    .action((options: VaultOptions) => inspect(surroundings, options));

const inspect = (surroundings: Surroundings, options: VaultOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { keySlots, machines, objects, bytes, strangers } = await orStopped(surroundings.stop, inspectVault(vault));
    const objectsOf = new Map(machines.map((one) => [one.machineId, one]));
    const histories = await readMachines(surroundings, vault, undefined);
    const known = histories.map((history) => ({ history, counts: objectsOf.get(history.machine.id) }));
    const unregistered = machines.filter(({ machineId }) => !histories.some(({ machine }) => machine.id === machineId));
    writeAnswer(surroundings, options, {
      data: {
        id: vault.id,
        name: vault.name,
        url: vault.store.url,
        created: formatTime(vault.created),
        objects,
        bytes,
        keySlots: keySlots.map((slot) => ({ ...slot, created: formatTime(slot.created) })),
        machines: known.map(describeMachine),
        unregistered: unregistered.map(({ machineId }) => machineId),
        strangers,
      },
      people: [
        { line: `Vault ${vault.name} (${vault.id}) at ${vault.store.url}` },
        { line: `Created ${formatTime(vault.created)}; ${objects} objects, ${formatBytes(bytes)}` },
        { line: '' },
        {
          columns: [{ heading: 'KEY SLOT', shrink: true }, { heading: 'OPENED BY', shrink: true }, { heading: 'CREATED' }],
          rows: keySlots.map((slot) => [slot.id, holderOf(slot), formatTime(slot.created)]),
        },
        { line: '' },
        machineTable(known),
        ...unregistered.map(({ machineId }) => ({ line: `UNREGISTERED machine ${machineId}: it has objects and no registration` })),
        ...strangers.map((name) => ({ line: `STRANGER ${name}: it is no object of a vault` })),
      ],
    });
  });

interface Known {
  readonly history: MachineHistory;
  readonly counts: MachineObjects | undefined;
}

const describeMachine = ({ history, counts }: Known): Record<string, unknown> => ({
  id: history.machine.id,
  name: history.machine.name,
  registered: formatTime(history.machine.registered),
  points: history.points.length,
  generations: history.generations.size,
  disks: history.heads.size,
  head: history.head,
  ...(history.failedOver !== undefined && { failedOver: history.failedOver }),
  terms: counts?.terms ?? 0,
  dataKeys: counts?.dataKeys ?? 0,
  slots: counts?.slots ?? 0,
  slotBytes: counts?.slotBytes ?? 0,
  bytes: counts?.bytes ?? 0,
  damage: history.damage,
});

const machineTable = (known: readonly Known[]) => ({
  columns: [
    { heading: 'MACHINE', shrink: true },
    { heading: 'ID', shrink: true },
    { heading: 'DISKS', right: true },
    { heading: 'POINTS', right: true },
    { heading: 'GENERATIONS', right: true },
    { heading: 'TERMS', right: true },
    { heading: 'SLOTS', right: true },
    { heading: 'STORED', right: true },
    { heading: 'STATE' },
  ],
  rows: known.map(({ history, counts }) => [
    machineLabel(history.machine),
    history.machine.id,
    ...[history.heads.size, history.points.length, history.generations.size, counts?.terms ?? 0, counts?.slots ?? 0].map(String),
    formatBytes(counts?.bytes ?? 0),
    history.damage.length > 0 ? 'damaged' : history.failedOver === undefined ? 'ok' : 'failed over',
  ]),
});

const holderOf = ({ cost, keyId, damage }: KeySlotInspection): string => {
  if (damage !== undefined) return `damaged: ${damage.why}`;
  if (keyId !== undefined) return `a key vault (${keyId})`;
  return cost === undefined ? 'a key file' : `a passphrase (scrypt N=2^${cost.logN}, r=${cost.r}, p=${cost.p})`;
};
