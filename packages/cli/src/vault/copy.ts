import { withThrottle } from '@holdfast/object-store';
import { copyVault } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatBytes, formatCount, formatTime } from '../output/format.ts';
import { createProgress } from '../output/progress.ts';
import type { Surroundings } from '../surroundings.ts';
import { paceOption, STORE_HELP, type VaultOptions, vaultOptions, withVault } from './with-vault.ts';

interface CopyCommandOptions extends VaultOptions {
  readonly to: string;
  readonly prune?: boolean;
  readonly pace?: number;
}

const HELP = `
Copies a vault to another place, sealed as it is: onto a disk that is carried to where the link
is fast, or one that is kept where no network reaches. Interrupted, it goes on where it stopped;
called again later, it brings the copy up to date. Done when the copy was looked at and everything
its catalogues need is there; \`holdfast vault scrub\` on the copy reads it in full.

The copy opens with the same keys. Only one of the two may be written to: either go on with the
vault and refresh the copy, or go on with the copy and leave the vault.

Examples:
  holdfast vault copy --vault file:/srv/vault --key-file office.key --to file:/mnt/usb/office
  holdfast vault copy --vault file:/mnt/usb/office --key-file office.key --to azure:https://acme.blob.core.windows.net/office --pace 20MiB

${STORE_HELP}`;

export const copyCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('copy').description('copy the vault to another place, or bring a copy up to date'))
    .addOption(new Option('--to <url>', 'where the copy is, or shall be (required)').makeOptionMandatory())
    .addOption(new Option('--prune', 'delete from the copy, once it is whole, what the vault does not have any more'))
    .addOption(paceOption())
    .addHelpText('after', HELP)
    .action((options: CopyCommandOptions) => copy(surroundings, options));

const copy = (surroundings: Surroundings, options: CopyCommandOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stop, stderr } = surroundings;
    const bare = await surroundings.openStore(options.to);
    const target = options.pace === undefined ? bare : withThrottle(bare, { bytesPerSecond: options.pace });
    try {
      const progress = createProgress(stderr, { label: 'copy', total: 0 });
      const report = await orStopped(
        stop,
        copyVault(vault, target, {
          prune: options.prune === true,
          signal: stop,
          onProgress: ({ bytes, total }) => progress.update(bytes, total),
        }),
      ).finally(progress.end);
      if (!report.isHeld)
        stderr.write('The vault may not be written: nothing was held, so a keeper may have deleted what was being copied.\n');
      writeAnswer(surroundings, options, {
        data: {
          vault: vault.id,
          from: vault.store.url,
          to: target.url,
          ...report,
          machines: report.machines.map(({ newestPoint, ...machine }) => ({
            ...machine,
            ...(newestPoint !== undefined && { newestPoint: formatTime(newestPoint) }),
          })),
        },
        people: [
          {
            line: `${target.url}: ${formatCount(report.objects, 'object')} copied, ${formatBytes(report.bytes)}; ${report.present} were there${report.pruned > 0 ? `, ${report.pruned} deleted` : ''}`,
          },
          {
            columns: [{ heading: 'MACHINE', shrink: true }, { heading: 'POINTS', right: true }, { heading: 'NEWEST POINT' }],
            rows: report.machines.map(({ id, name, points, newestPoint }) => [
              name || id,
              String(points),
              newestPoint === undefined ? '' : formatTime(newestPoint),
            ]),
          },
        ],
      });
    } finally {
      await bare.close();
    }
  });
