import { Command, Option } from 'commander';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { readPasswords } from './read-password.ts';

const HELP = `
Asks for the password you have and for a new one; or takes both, a line each, by standard input or from
--password-file. Logins elsewhere end, this one stays.

Example:
  holdfast password`;

export const passwordCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('password').description('change your own password'))
    .addOption(new Option('--password-file <file>', 'file with both passwords, a line each'))
    .addHelpText('after', HELP)
    .action((options: SiteOptions & { readonly passwordFile?: string }) =>
      answerFromSite(surroundings, options, async (site) => {
        const [password, newPassword] = await readPasswords(surroundings, options.passwordFile, 'Password', 'New password');
        await site.sessions.changePassword({ password: password!, newPassword: newPassword! });
        return { data: { changed: true }, people: [{ line: 'Your password is changed; logins elsewhere have ended.' }] };
      }),
    );
