import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { limitOption } from '../site/limit-option.ts';
import { required } from '../site/required.ts';
import { findVault, readVaults } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeVault, vaultAnswer, vaultsAnswer } from './describe-vault.ts';

const LIST_HELP = `
Process servers have vaults in their settings; the site knows a vault by the id that stands in it, whatever settings call it
and wherever it is. It is registered when a process server tells of it first.`;

export const listVaultsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the vaults of the site'))
    .addOption(limitOption())
    .addOption(watchOption())
    .addHelpText('after', LIST_HELP)
    .action((options: SiteOptions & WatchOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => vaultsAnswer((await readVaults(site, options.limit)).map(describeVault))),
    );

export const showVaultCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one vault of the site').argument('<vault>', 'name or id'))
    .addOption(watchOption())
    .action((word: string, options: SiteOptions & WatchOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id } = await findVault(site, word);
        const { vault } = await site.vaults.getVault({ vault: id });
        return vaultAnswer(describeVault(required(vault, `vault ${word}`)));
      }),
    );

const RENAME_HELP = `
Only the site calls it otherwise: settings of process servers, protections and what is in the vault stay as they are. A name that
is changed in the settings of a process server changes nothing here.

Example:
  holdfast vault rename office headquarters`;

export const renameVaultCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('rename').description('call a vault otherwise').argument('<vault>', 'name or id').argument('<new-name>', 'from now on'),
  )
    .addHelpText('after', RENAME_HELP)
    .action((word: string, wanted: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const before = await findVault(site, word);
        const { vault } = await site.vaults.renameVault({ vault: before.id, name: wanted, version: before.version });
        const { id, name } = required(vault, `vault ${word}`);
        return {
          data: { id, name, before: before.name },
          people: [{ line: `Vault ${before.name} (${id}) is called ${name} from now on.` }],
        };
      }),
    );

const DECOMMISSION_HELP = `
The site uses the vault for nothing any more. Its objects stay where they are, and can be recovered from with its key. Refused while
machines are protected into it or recoveries use it. A process server whose settings still name it does not bring it
back; \`holdfast vault readmit\` does.

With --force also one with machines, where no connected process server can open it and it does not come back: their protections
end, after asking, and what was not in it yet is lost.

Examples:
  holdfast vault decommission attic
  holdfast vault decommission attic --force`;

export const decommissionVaultCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('decommission').description('give a vault up; its objects stay').argument('<vault>', 'name or id'))
    .addOption(new Option('--force', 'also one that cannot be reached, with the protections of its machines'))
    .addOption(yesOption())
    .addHelpText('after', DECOMMISSION_HELP)
    .action((word: string, options: SiteOptions & ConfirmOptions & { readonly force?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findVault(site, word);
        if (options.force === true)
          await confirm(
            surroundings,
            options,
            [
              `GIVE UP the vault ${name}`,
              '  stays      its objects, for `holdfast recover` with its key',
              '  ends       the protections of its machines: what is not in it yet is lost',
            ],
            name,
          );
        const { vault, unprotected } = await site.vaults.decommissionVault({ vault: id, version, force: options.force ?? false });
        const { servers, location } = describeVault(required(vault, `vault ${word}`));
        const named = servers.map((server) => server.name);
        return {
          data: { id, name, decommissioned: true, unprotected, stillInTheSettingsOf: named },
          people: [
            { line: `Vault ${name} (${id}) is given up. Its objects stay as they are at ${location || 'its place'}.` },
            ...(unprotected.length === 0
              ? []
              : [{ line: `No longer protected: ${unprotected.join(', ')}. Protect them into another vault.` }]),
            ...(named.length === 0 ? [] : [{ line: `It is still in the settings of ${named.join(', ')}: take it out there.` }]),
          ],
        };
      }),
    );

export const readmitVaultCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('readmit').description('take a vault back that was given up').argument('<vault>', 'name or id')).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findVault(site, word);
        await site.vaults.readmitVault({ vault: id, version });
        return { data: { id, name, readmitted: true }, people: [{ line: `Vault ${name} (${id}) is used again.` }] };
      }),
  );
