import { Command } from 'commander';
import { formatSeconds } from '../output/format.ts';
import { instant } from '../site/times.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { personRoleWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

export const whoamiCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('whoami').description('tell who you are at the configuration server, and what you may do')).action(
    (options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { name, role, userId, expiresUnixMillis } = await site.sessions.getSession({});
        const word = personRoleWord(role);
        const left = Number(expiresUnixMillis) - surroundings.now();
        const ends = expiresUnixMillis === 0n ? '' : `, for ${formatSeconds(left / 1000)}`;
        return {
          data: { server: site.server, name, role: word, kind: userId === '' ? 'tool' : 'user', expires: instant(expiresUnixMillis) },
          people: [{ line: `${name}, ${word} at ${site.server}${ends}` }],
        };
      }),
  );
