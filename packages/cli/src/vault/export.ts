import type { BlockDevice } from '@holdfast/block';
import { exportImage, type ImageFormat } from '@holdfast/disk-image';
import { openView, pointDisks } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { chooseDisk } from '../choose/choose-disk.ts';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { formatOption, imageLabel } from '../disks/image-options.ts';
import { leasePoint } from '../disks/lease-point.ts';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, pointOption, readChosenMachine, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface ExportCommandOptions extends VaultOptions {
  readonly machine?: string;
  readonly point: string;
  readonly disk?: string;
  readonly to: string;
  readonly format: ImageFormat;
  readonly force?: true;
  readonly skipUnreadable?: true;
}

const HELP = `
Writes a disk as it was at the point into an image: raw (byte for byte), vhd (fixed, of whole MiB:
what Azure takes), vmdk (streamOptimized: what vSphere imports), qcow2 (QEMU). Zeroes become holes
or are left out: the image takes the room of its content only. The SHA-256 told is that of the
whole image, so \`sha256sum\` can confirm it wherever the image goes; the same point makes the same
image each time.

Examples:
  holdfast vault export --vault file:/srv/vault --key-file office.key --disk sda --to sda.raw
  holdfast vault export --vault file:/srv/vault --key-file office.key --machine db1 --disk sda --point 2026-11-22T01:02:03Z --to sda.raw
  holdfast vault export --vault file:/srv/vault --key-file office.key --disk sda --format vhd --to sda.vhd

${STORE_HELP}`;

export const exportCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('export').description('write a disk at a point into an image'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('-d, --disk <disk>', 'name or id; not needed when the point has one disk'))
    .addOption(new Option('--to <file>', 'the image to make (required)').makeOptionMandatory())
    .addOption(formatOption())
    .addOption(new Option('--force', 'replace the file when it exists'))
    .addOption(new Option('--skip-unreadable', 'write zeroes for what the source could not read, name it, and end with status 1'))
    .addHelpText('after', HELP)
    .action((options: ExportCommandOptions) => exportDisk(surroundings, options));

const exportDisk = (surroundings: Surroundings, options: ExportCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const disk = chooseDisk(pointDisks(history, point), options.disk);
    const lease = await leasePoint(surroundings, history, point, 'exported by `holdfast`');
    let view: BlockDevice | undefined;
    try {
      view = await orStopped(surroundings.stop, openView(lease.history, point.id, disk.id));
      const progress = createProgress(surroundings.stderr, { label: disk.name, total: view.size });
      const exported = await exportImage(view, options.to, {
        format: options.format,
        label: imageLabel(point, disk.id),
        force: options.force === true,
        skipUnreadable: options.skipUnreadable === true,
        signal: surroundings.stop,
        onProgress: progress.update,
      }).finally(progress.end);
      const { size, written, sha256, unreadable } = exported;
      writeAnswer(surroundings, options, {
        data: {
          machine: history.machine.id,
          point: point.id,
          time: formatTime(point.time),
          disk: disk.id,
          name: disk.name,
          file: options.to,
          format: options.format,
          ...exported,
        },
        people: [
          { line: `${options.to}: ${disk.name} of ${machineLabel(history.machine)} at ${formatTime(point.time)} (point ${point.id})` },
          { line: `${formatBytes(size)}, ${formatBytes(written)} of it written, the rest are holes` },
          ...unreadable.map((extent) => ({
            line: `UNREADABLE at the source, zeroes in the image: ${extent.length} bytes from ${extent.offset}`,
          })),
          { line: `SHA-256 ${sha256}` },
        ],
      });
      if (unreadable.length > 0) surroundings.onFindings();
    } finally {
      await view?.close();
      await lease.close();
    }
  });
