import { Command, Option } from 'commander';
import { chooseResource } from '../choose/choose-resource.ts';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import { limitOption } from '../site/limit-option.ts';
import { required } from '../site/required.ts';
import { findServer, readMachines, readServers } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describeServer, serverAnswer, serversAnswer } from './describe-server.ts';

export const listServersCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the process servers'))
    .addOption(limitOption())
    .addOption(watchOption())
    .action((options: SiteOptions & WatchOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) =>
        serversAnswer((await readServers(site, options.limit)).map(describeServer), surroundings.now()),
      ),
    );

export const showServerCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell all about one server').argument('<server>', 'name or id'))
    .addOption(watchOption())
    .action((word: string, options: SiteOptions & WatchOptions) =>
      answerFromSite(surroundings, options, async (site) => serverAnswer(describeServer(await findServer(site, word)), surroundings.now())),
    );

const REVOKE_HELP = `
The certificate of a server or machine counts no more, and its connections are closed within seconds,
after asking. Do this when it was stolen or copied. It can come back with a new token only.

Example:
  holdfast server revoke ps2`;

export const revokeServerCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('revoke').description('shut out a server or a machine').argument('<subject>', 'name or id of a server or machine'),
  )
    .addOption(yesOption())
    .addHelpText('after', REVOKE_HELP)
    .action((word: string, options: SiteOptions & ConfirmOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const [servers, machines] = await Promise.all([readServers(site), readMachines(site)]);
        const { id, name } = chooseResource([...servers, ...machines], word, { one: 'server or machine', many: 'of them' });
        await confirm(
          surroundings,
          options,
          [
            `SHUT OUT ${name}`,
            '  stays      what is in the vault',
            '  ends       its membership: nothing is replicated from it or through it; it comes back with a new token only',
          ],
          name,
        );
        await site.servers.revokeServer({ subject: id });
        return {
          data: { id, name, revoked: true },
          people: [{ line: `${name} (${id}) is shut out; it can come back with a new token only.` }],
        };
      }),
    );

const DRAIN_HELP = `
A server that is drained gets no machines, and those it has are moved to others that hold their vault; before
it is taken away or upgraded. \`holdfast server list\` shows how many are left.

Examples:
  holdfast server drain ps1
  holdfast server drain ps1 --end`;

export const drainServerCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('drain').description('move its machines to other servers').argument('<server>', 'name or id'))
    .addOption(new Option('--end', 'it takes machines again'))
    .addHelpText('after', DRAIN_HELP)
    .action((word: string, options: SiteOptions & { readonly end?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { server } = await site.servers.drainServer({ server: (await findServer(site, word)).id, end: options.end ?? false });
        return serversAnswer([describeServer(required(server, `server ${word}`))], surroundings.now());
      }),
    );

const REMOVE_HELP = `
Forgets a server that receives no machine, and revokes its certificate. With --force, after asking, also one
that does not come back: its machines wait for another server then.

Example:
  holdfast server remove ps1`;

export const removeServerCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('remove').description('forget a server').argument('<server>', 'name or id'))
    .addOption(new Option('--force', 'also when machines go through it'))
    .addOption(yesOption())
    .addHelpText('after', REMOVE_HELP)
    .action((word: string, options: SiteOptions & ConfirmOptions & { readonly force?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findServer(site, word);
        if (options.force === true)
          await confirm(
            surroundings,
            options,
            [
              `FORGET the server ${name}`,
              '  stays      what is in the vault',
              '  ends       its membership: it comes back with a new token only; its machines wait for another server',
            ],
            name,
          );
        await site.servers.removeServer({ server: id, version, force: options.force ?? false });
        return {
          data: { id, name, removed: true },
          people: [{ line: `Server ${name} (${id}) is forgotten; its certificate counts no more.` }],
        };
      }),
    );
