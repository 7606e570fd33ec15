import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { firmwareOf, openGuest, type PlanItem, planAdaptation, rootHints } from '@holdfast/fabric';
import { pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { type CacheOptions, cacheOf, cacheOption, cacheSizeOption } from '../disks/cache-options.ts';
import { serveDisks } from '../disks/serve-disks.ts';
import { scratchBase } from '../mount/mount-point.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import type { Surroundings } from '../surroundings.ts';
import {
  machineOption,
  pointOption,
  readChosenMachine,
  STORE_HELP,
  type VaultOptions,
  vaultOptions,
  withVault,
} from '../vault/with-vault.ts';

interface InspectOptions extends VaultOptions, CacheOptions {
  readonly machine?: string;
  readonly point: string;
  readonly firmware?: 'bios' | 'uefi';
  readonly addresses: 'dhcp' | 'keep';
}

const HELP = `
Looks into the disks of a point (partitions, file systems, kernels and the drivers in their
initramfs, fstab, boot loader, network) and tells what would be changed so that the machine starts
on other hardware, and why; nothing is changed, neither in the vault nor anywhere else. Needs root,
FUSE and nbdfuse (package libnbd-bin). Ends with status 1 when something may keep it from starting.

Examples:
  holdfast recover inspect --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover inspect --vault file:/srv/vault --key-file office.key --machine db1 --addresses keep --output json

${STORE_HELP}`;

export const inspectPointCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('inspect').description('tell what has to change so that a point starts on other hardware'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('--firmware <kind>', 'that of the source unless told').choices(['bios', 'uefi']))
    .addOption(
      new Option('--addresses <how>', 'of the network it will be in: given by DHCP, or kept as at the source')
        .choices(['dhcp', 'keep'])
        .default('dhcp'),
    )
    .addOption(cacheOption())
    .addOption(cacheSizeOption())
    .addHelpText('after', HELP)
    .action((options: InspectOptions) => inspect(surroundings, options));

const inspect = (surroundings: Surroundings, options: InspectOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const disks = pointDisks(history, point);
    const base = scratchBase(surroundings);
    await mkdir(base, { recursive: true, mode: 0o700 });
    const scratch = await mkdtemp(path.join(base, 'inspect-'));
    try {
      // What replaying journals writes is thrown away.
      const server = await serveDisks(surroundings, history, point, disks, {
        listen: { path: path.join(scratch, 'nbd.sock') },
        overlayOf: ({ id }) => path.join(scratch, `overlay-${id}`),
        ...cacheOf(options),
      });
      try {
        const guest = await openGuest(
          server.disks.map(({ disk: { id, name }, uri }) => ({ id, name, uri })),
          { scratch: path.join(scratch, 'mounts'), signal: surroundings.stop, rootHints: rootHints(point.manifest) },
        );
        try {
          const plan = await planAdaptation(guest, {
            manifest: point.manifest,
            diskNames: disks.map(({ name }) => name),
            firmware: firmwareOf(point.manifest, { ...(options.firmware && { firmware: options.firmware }) }),
            addresses: options.addresses,
            pointTime: formatTime(point.time),
            now: surroundings.now(),
          });
          const { system, items, controller, networkModel } = plan;
          writeAnswer(surroundings, options, {
            data: {
              machine: history.machine.id,
              point: point.id,
              time: formatTime(point.time),
              system,
              controller: controller ?? '',
              networkModel: networkModel ?? '',
              items,
              files: [...plan.edits, ...plan.espEdits].map(({ path: file, content }) => ({ file, removed: content === undefined })),
            },
            people: [
              {
                line: `${machineLabel(history.machine)} at ${formatTime(point.time)} (point ${point.id}): ${system || 'no Linux that can be read'}`,
              },
              {
                columns: [
                  { heading: 'AREA' },
                  { heading: '' },
                  { heading: 'FOUND', shrink: true },
                  { heading: 'CHANGE', shrink: true },
                  { heading: 'WHY', optional: true },
                ],
                rows: items.map((item) => [item.area, kindCell(item), item.finding, item.change ?? '', item.why]),
              },
              { line: 'Nothing was changed. Changes are made on a layer over the point when it is started.' },
            ],
          });
          if (items.some(({ kind }) => kind === 'trouble')) surroundings.onFindings();
        } finally {
          await guest.close();
        }
      } finally {
        await server.close();
      }
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });

const kindCell = ({ kind }: PlanItem): Cell =>
  kind === 'trouble' ? { text: 'trouble', tone: 'bad' } : kind === 'good' ? { text: 'good', tone: 'good' } : kind;
