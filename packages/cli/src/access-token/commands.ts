import type { AccessToken } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource } from '../choose/choose-resource.ts';
import { formatSeconds } from '../output/format.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { limitOption } from '../site/limit-option.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import type { Site } from '../site/site.ts';
import { ago, instant } from '../site/times.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { PERSON_ROLES, parsePersonRole, personRoleWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

const describeAccess = ({ id, name, role, createdUnixMillis, expiresUnixMillis, createdBy }: AccessToken) => ({
  id,
  name,
  role: personRoleWord(role),
  created: instant(createdUnixMillis),
  expires: instant(expiresUnixMillis),
  createdBy,
});

const readAccesses = ({ accessTokens }: Site, limit?: number): Promise<AccessToken[]> =>
  readPages(async (request) => {
    const { accessTokens: rows, nextPageToken } = await accessTokens.listAccessTokens(request);
    return { rows, nextPageToken };
  }, limit);

const ends = ({ expiresUnixMillis }: AccessToken, now: number): string => {
  if (expiresUnixMillis === 0n) return 'does not end';
  const left = Number(expiresUnixMillis) - now;
  return left <= 0 ? 'has ended' : `for ${formatSeconds(left / 1000)}`;
};

export const listAccessesCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the tokens of tools, without their secrets'))
    .addOption(limitOption())
    .action((options: SiteOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const accesses = await readAccesses(site, options.limit);
        const now = surroundings.now();
        return {
          data: accesses.map(describeAccess),
          people: [
            {
              columns: [
                { heading: 'TOOL' },
                { heading: 'ROLE' },
                { heading: 'GOOD' },
                { heading: 'MADE', right: true },
                { heading: 'BY', optional: true },
              ],
              rows: accesses.map((one) => [
                one.name,
                personRoleWord(one.role),
                ends(one, now),
                `${ago(one.createdUnixMillis, now)} ago`,
                one.createdBy,
              ]),
            },
          ],
        };
      }),
    );

const CREATE_HELP = `
Makes a token for a script, a monitor or another program: it calls with \`authorization: Bearer TOKEN\`. The
token is the only thing on standard output; it is shown now and never again, only its hash is kept.

Examples:
  holdfast access create grafana --role reader > grafana.token
  holdfast access create nightly --role operator --lifetime 90d`;

export const createAccessCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('create').description('make a token for a tool').argument('<name>', 'what the tool is called'))
    .addOption(new Option('--role <role>', 'what it may do (required)').choices(PERSON_ROLES).makeOptionMandatory())
    .addOption(new Option('--lifetime <time>', 'how long it is good: 90d (default: it does not end)').argParser(parseSeconds))
    .addHelpText('after', CREATE_HELP)
    .action((name: string, options: SiteOptions & { readonly role: string; readonly lifetime?: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const { accessToken, secret } = await site.accessTokens.createAccessToken({
          name,
          role: parsePersonRole(options.role),
          lifetimeSeconds: options.lifetime ?? 0,
        });
        return { data: { ...describeAccess(required(accessToken, `access token ${name}`)), secret }, people: [{ line: secret }] };
      }),
    );

export const revokeAccessCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('revoke').description('make the token of a tool worthless').argument('<tool>', 'name, id, or the first digits of the id'),
  ).action((word: string, options: SiteOptions) =>
    answerFromSite(surroundings, options, async (site) => {
      const { id, name } = chooseResource(await readAccesses(site), word, { one: 'access token', many: 'access tokens' });
      await site.accessTokens.revokeAccessToken({ id });
      return { data: { id, name, revoked: true }, people: [{ line: `The token of ${name} is worth nothing any more.` }] };
    }),
  );
