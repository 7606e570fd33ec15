import type { Token } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { chooseResource, shortId } from '../choose/choose-resource.ts';
import type { Answer } from '../output/answer.ts';
import { formatSeconds } from '../output/format.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { limitOption } from '../site/limit-option.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import type { Site } from '../site/site.ts';
import { ago, instant } from '../site/times.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { parseRole, roleWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

interface CreateOptions extends SiteOptions {
  readonly role: string;
  readonly lifetime?: number;
  readonly note?: string;
}

export interface TokenDescription {
  readonly id: string;
  readonly role: string;
  readonly created: string | null;
  readonly expires: string | null;
  readonly used: boolean;
  readonly note: string;
}

const describeToken = (token: Token): TokenDescription => ({
  id: token.id,
  role: roleWord(token.role),
  created: instant(token.createdUnixMillis),
  expires: instant(token.expiresUnixMillis),
  used: token.used,
  note: token.note,
});

const CREATE_HELP = `
Prints the lines that make one machine a member: paste them there. The token in them works once and
only for a while; it is shown now and never again. Only its hash is kept.

Examples:
  holdfast token create --role agent
  holdfast token create --role process-server --lifetime 15min --note 'ps2, rack 7'
  holdfast token create --role agent --output json | jq -r .joinCommand`;

export const createTokenCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('create').description('make a token, and print the lines that install and join'))
    .addOption(new Option('--role <role>', 'what joins (required)').choices(['agent', 'process-server']).makeOptionMandatory())
    .addOption(
      new Option('--lifetime <time>', 'how long it may be used: 15min, 24h (default: what the server is set to)').argParser(parseSeconds),
    )
    .addOption(new Option('--note <text>', 'words that tell it from others'))
    .addHelpText('after', CREATE_HELP)
    .action((options: CreateOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { token, secret, authorityFingerprint, joinCommand } = await site.tokens.createToken({
          role: parseRole(options.role),
          lifetimeSeconds: options.lifetime ?? 0,
          note: options.note ?? '',
        });
        const described = describeToken(required(token, 'token'));
        return {
          data: { ...described, secret, authorityFingerprint, joinCommand },
          people: [
            // Nothing but the lines goes to standard output, so that they can be piped to where they are run.
            ...joinCommand
              .trimEnd()
              .split('\n')
              .map((line) => ({ line })),
          ],
        };
      }).then(() => {
        if (options.output === 'table')
          surroundings.stderr.write('Paste these lines on the one machine that shall join. The token in them works once.\n');
      }),
    );

const readTokens = ({ tokens }: Site, limit?: number): Promise<Token[]> =>
  readPages(async (request) => {
    const { tokens: rows, nextPageToken } = await tokens.listTokens(request);
    return { rows, nextPageToken };
  }, limit);

export const listTokensCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the tokens, without their secrets'))
    .addOption(limitOption())
    .addOption(watchOption())
    .action((options: SiteOptions & WatchOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => tokensAnswer(await readTokens(site, options.limit), surroundings.now())),
    );

const tokensAnswer = (tokens: readonly Token[], now: number): Answer => ({
  data: tokens.map(describeToken),
  people:
    tokens.length === 0
      ? [{ line: 'There is no token.' }]
      : [
          {
            columns: [
              { heading: 'TOKEN' },
              { heading: 'ROLE', optional: true },
              { heading: 'STATE' },
              { heading: 'MADE', right: true, optional: true },
              { heading: 'NOTE', shrink: true },
            ],
            rows: tokens.map((token) => [
              shortId(token.id, tokens),
              roleWord(token.role),
              stateWords(token, now),
              `${ago(token.createdUnixMillis, now)} ago`,
              token.note,
            ]),
          },
        ],
});

const stateWords = ({ used, expiresUnixMillis }: Token, now: number): string => {
  if (used) return 'used';
  const left = Number(expiresUnixMillis) - now;
  return left <= 0 ? 'expired' : `good for ${formatSeconds(left / 1000)}`;
};

export const revokeTokenCommand = (surroundings: Surroundings): Command =>
  siteOptions(
    new Command('revoke')
      .description('make a token that was not used worthless')
      .argument('<token>', 'id, or its first two or more digits'),
  ).action((word: string, options: SiteOptions) =>
    answerFromSite(surroundings, options, async (site) => {
      const { id } = chooseResource<Pick<Token, 'id'>>(await readTokens(site), word, { one: 'token', many: 'tokens' });
      await site.tokens.revokeToken({ id });
      return { data: { id, revoked: true }, people: [{ line: `Token ${id} is worth nothing any more.` }] };
    }),
  );
