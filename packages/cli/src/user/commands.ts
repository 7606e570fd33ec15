import { HoldfastError } from '@holdfast/errors';
import type { User } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { readPasswords } from '../access/read-password.ts';
import { chooseResource } from '../choose/choose-resource.ts';
import type { Answer } from '../output/answer.ts';
import { limitOption } from '../site/limit-option.ts';
import { readPages } from '../site/read-pages.ts';
import { required } from '../site/required.ts';
import type { Site } from '../site/site.ts';
import { ago, instant } from '../site/times.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import { PERSON_ROLES, parsePersonRole, personRoleWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';

const describeUser = ({ id, version, name, role, disabled, createdUnixMillis, signedInUnixMillis }: User) => ({
  id,
  version: Number(version),
  name,
  role: personRoleWord(role),
  disabled,
  created: instant(createdUnixMillis),
  signedIn: instant(signedInUnixMillis),
});

const userAnswer = (user: User): Answer => ({
  data: describeUser(user),
  people: [{ line: `${user.name} is ${personRoleWord(user.role)}${user.disabled ? ', and may not sign in' : ''}.` }],
});

const readUsers = ({ users }: Site, limit?: number): Promise<User[]> =>
  readPages(async (request) => {
    const { users: rows, nextPageToken } = await users.listUsers(request);
    return { rows, nextPageToken };
  }, limit);

const findUser = async (site: Site, word: string): Promise<User> =>
  chooseResource(await readUsers(site), word, { one: 'user', many: 'users' });

const USER_ARGUMENT = ['<user>', 'name or id'] as const;
const passwordOption = (): Option => new Option('--password-file <file>', 'file with the password, one line');
const roleOption = (): Option => new Option('--role <role>', 'what they may do').choices(PERSON_ROLES);

export const listUsersCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list who may sign in'))
    .addOption(limitOption())
    .addOption(watchOption())
    .action((options: SiteOptions & WatchOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => {
        const users = await readUsers(site, options.limit);
        return {
          data: users.map(describeUser),
          people:
            users.length === 0
              ? [{ line: 'Nobody signs in with a password; see `holdfast user create --help`.' }]
              : [
                  {
                    columns: [{ heading: 'USER' }, { heading: 'ROLE' }, { heading: 'STATE' }, { heading: 'LAST SIGN-IN', right: true }],
                    rows: users.map((user) => [
                      user.name,
                      personRoleWord(user.role),
                      user.disabled ? 'disabled' : 'enabled',
                      user.signedInUnixMillis === 0n ? 'never' : `${ago(user.signedInUnixMillis, surroundings.now())} ago`,
                    ]),
                  },
                ],
        };
      }),
    );

const CREATE_HELP = `
Asks for a password, or takes it by standard input or from --password-file: 12 characters or more; a few
words are good. Readers see everything and change nothing; operators protect, recover and edit policies;
administrators also let machines join and rule over users.

Examples:
  holdfast user create anna --role operator
  pwgen -s 20 1 | tee anna.password | holdfast user create anna --role operator`;

export const createUserCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('create').description('let somebody sign in').argument('<name>', 'what they are called'))
    .addOption(roleOption().makeOptionMandatory())
    .addOption(passwordOption())
    .addHelpText('after', CREATE_HELP)
    .action((name: string, options: SiteOptions & { readonly role: string; readonly passwordFile?: string }) =>
      answerFromSite(surroundings, options, async (site) => {
        const [password] = await readPasswords(surroundings, options.passwordFile, 'New password');
        const { user } = await site.users.createUser({ name, role: parsePersonRole(options.role), password: password! });
        return userAnswer(required(user, `user ${name}`));
      }),
    );

interface SetOptions extends SiteOptions {
  readonly role?: string;
  readonly name?: string;
  readonly disable?: true;
  readonly enable?: true;
  readonly newPassword?: true;
  readonly passwordFile?: string;
}

const SET_HELP = `
A smaller role counts at once. Who is disabled, or gets a new password, has to sign in again everywhere.

Examples:
  holdfast user set anna --role reader
  holdfast user set anna --disable
  holdfast user set anna --new-password`;

export const setUserCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('set').description('change what somebody may do, or their password').argument(...USER_ARGUMENT))
    .addOption(roleOption())
    .addOption(new Option('--name <name>', 'call them so from now on'))
    .addOption(new Option('--disable', 'may not sign in').conflicts('enable'))
    .addOption(new Option('--enable', 'may sign in again'))
    .addOption(new Option('--new-password', 'ask for a new password, or take it by standard input'))
    .addOption(passwordOption())
    .addHelpText('after', SET_HELP)
    .action((word: string, options: SetOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const changes = {
          ...(options.role !== undefined && { role: parsePersonRole(options.role) }),
          ...(options.name !== undefined && { name: options.name }),
          ...(options.disable && { disabled: true }),
          ...(options.enable && { disabled: false }),
        };
        const wantsPassword = options.newPassword === true || options.passwordFile !== undefined;
        if (Object.keys(changes).length === 0 && !wantsPassword)
          throw new HoldfastError('SETTING_INVALID', {
            thing: 'command line',
            why: 'nothing is to be changed',
            remedy: 'see `holdfast user set --help`',
          });
        const before = await findUser(site, word);
        const [password = ''] = wantsPassword ? await readPasswords(surroundings, options.passwordFile, 'New password') : [];
        const { user } = await site.users.updateUser({ user: { ...before, ...changes }, password });
        return userAnswer(required(user, `user ${word}`));
      }),
    );

export const deleteUserCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('delete').description('let somebody sign in no more').argument(...USER_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findUser(site, word);
        await site.users.deleteUser({ user: id, version });
        return { data: { id, name, deleted: true }, people: [{ line: `${name} may sign in no more.` }] };
      }),
  );
