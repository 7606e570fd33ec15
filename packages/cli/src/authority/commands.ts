import type { GetAuthorityResponse } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { type ConfirmOptions, confirm, yesOption } from '../confirm.ts';
import type { Answer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import { required } from '../site/required.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

const PHASES: Readonly<Record<string, string>> = {
  steady: 'One authority signs and is trusted.',
  announced: 'A new authority was made. Members learn of it when they renew their certificates; then it signs.',
  switched: 'The new authority signs. The old one is trusted until nobody has a certificate of it any more.',
};

const iso = (milliseconds: bigint): string => new Date(Number(milliseconds)).toISOString();

const authorityAnswer = ({ authorities, phase, waitingFor }: GetAuthorityResponse): Answer => ({
  data: {
    phase,
    authorities: authorities.map(({ fingerprint, notBeforeUnixMillis, notAfterUnixMillis, signs }) => ({
      fingerprint,
      signs,
      from: iso(notBeforeUnixMillis),
      until: iso(notAfterUnixMillis),
    })),
    waitingFor,
  },
  people: [
    { line: PHASES[phase] ?? phase },
    {
      columns: [{ heading: 'FINGERPRINT', shrink: true }, { heading: 'SIGNS' }, { heading: 'UNTIL' }],
      rows: authorities.map(({ fingerprint, signs, notAfterUnixMillis }) => [
        fingerprint,
        signs ? 'yes' : 'no',
        formatTime(Number(notAfterUnixMillis)),
      ]),
    },
    ...(waitingFor.length === 0 ? [] : [{ line: 'The next step waits for:' }, ...waitingFor.map((name) => ({ line: `  ${name}` }))]),
  ],
});

export const showAuthorityCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell which certificate authorities are trusted')).action((options: SiteOptions) =>
    answerFromSite(surroundings, options, async (site) => authorityAnswer(await site.authorities.getAuthority({}))),
  );

const replacedAnswer = ({ data, people }: Answer): Answer => ({
  data,
  people: [
    ...people,
    {
      line: 'Every member has to join anew (holdfast token create), process servers first, and everybody to log in anew, by this fingerprint.',
    },
  ],
});

const ROTATE_HELP = `
Replaces the certificate authority of the installation, without enrolling anybody anew: a new one is made, members
learn of it when they renew their certificates (at half of their life), then it signs, and when nobody has a
certificate of the old one any more, that is trusted no longer. Each step follows by itself; run this again to look,
or with --force not to wait for members that are away: those have to join anew. Logins go on: the old one signs who
follows it. What leaves members behind (--force, --compromised) is asked about first.

With --compromised, when somebody else may have the key of the authority: another one in one step, of which the old
one says nothing, since whoever has its key could say as much. Members of the old one are strangers from then on and
join anew, process servers first; everybody logs in anew, with the fingerprint that this prints and the log of the
configuration server tells. What they believed until then, whoever has the old key can still pretend to them.

Examples:
  holdfast authority rotate
  holdfast authority rotate --force
  holdfast authority rotate --compromised`;

export const rotateAuthorityCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('rotate').description('replace the certificate authority, step by step'))
    .addOption(new Option('--force', 'the next step although members are not ready for it'))
    .addOption(new Option('--compromised', 'another one at once, since somebody may have the key: everybody joins and logs in anew'))
    .addOption(yesOption())
    .addHelpText('after', ROTATE_HELP)
    .action((options: SiteOptions & ConfirmOptions & { readonly force?: true; readonly compromised?: true }) =>
      answerFromSite(surroundings, options, async (site) => {
        const now = await site.authorities.getAuthority({});
        if (options.compromised === true) {
          await confirm(
            surroundings,
            options,
            [
              'REPLACE the certificate authority at once',
              '  ends       every membership and login: nothing is replicated until machines and process servers join anew',
            ],
            'authority',
          );
          const { authority } = await site.authorities.rotateAuthority({ phase: now.phase, compromised: true });
          return replacedAnswer(authorityAnswer(required(authority, 'the authority')));
        }
        // Under way, and somebody has to be waited for: that is no error.
        if (now.phase !== 'steady' && now.waitingFor.length > 0 && options.force !== true) return authorityAnswer(now);
        // The members it waits for are those that are left behind.
        if (now.waitingFor.length > 0 && options.force === true)
          await confirm(
            surroundings,
            options,
            ['GO ON with the certificate authority', ...now.waitingFor.map((name) => `  left out   ${name}: it has to join anew`)],
            'authority',
          );
        const { authority } = await site.authorities.rotateAuthority({ phase: now.phase, force: options.force ?? false });
        return authorityAnswer(required(authority, 'the authority'));
      }),
    );
