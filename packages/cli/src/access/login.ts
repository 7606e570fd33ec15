import { HoldfastError } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { type Context, contextsFile, readContexts, writeContexts } from '../site/contexts.ts';
import { learnAuthority } from '../site/learn-authority.ts';
import { openSite, type Site } from '../site/site.ts';
import type { Surroundings } from '../surroundings.ts';
import { readPasswords } from './read-password.ts';
import { readToken } from './read-token.ts';

interface LoginOptions extends OutputOptions {
  readonly server: URL;
  readonly fingerprint: string;
  readonly name?: string;
  readonly tokenFile?: string;
  readonly user?: string;
  readonly passwordFile?: string;
}

const HELP = `
With --user you sign in with your password, which is asked for, or comes by standard input or from
--password-file; the login ends by itself after some hours.

Without it, a token comes by standard input, from --token-file, or is asked for; it is no argument, because
every user of a machine can read those. The first one stands in the file administrator.token in the
state directory of the configuration server, and its fingerprint in its log.

The fingerprint names the server's certificate authority. It is compared before the token is sent, and
from then on nothing but a certificate of this authority is believed. The login is kept in
~/.config/holdfast/contexts.yaml (or in the directory HOLDFAST_CLI_DIRECTORY), for you alone.

Examples:
  holdfast login --server https://holdfast.example.com --fingerprint 5f3c… < administrator.token
  holdfast login --server https://holdfast.example.com --fingerprint 5f3c… --user anna
  holdfast login --server https://10.0.0.5:8443 --fingerprint 5f3c… --name lab --token-file lab.token`;

export const loginCommand = (surroundings: Surroundings): Command =>
  new Command('login')
    .description('log in at a configuration server')
    .addOption(new Option('--server <url>', 'https://HOST[:PORT] (required)').argParser(parseServer).makeOptionMandatory())
    .addOption(new Option('--fingerprint <hex>', 'of its authority (required)').argParser(parseFingerprint).makeOptionMandatory())
    .addOption(new Option('--name <name>', 'what to call the login (default: HOST of the server)').argParser(parseName))
    .addOption(new Option('--user <name>', 'sign in with a password').conflicts('tokenFile'))
    .addOption(new Option('--password-file <file>', 'file that holds the password'))
    .addOption(new Option('--token-file <file>', 'file that holds the token'))
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action((options: LoginOptions) => login(surroundings, options));

const login = async (surroundings: Surroundings, options: LoginOptions): Promise<void> => {
  const { environment, stop } = surroundings;
  const { server, fingerprint, name = server.host } = options;
  // What cannot be kept need not be asked for.
  const { contexts } = await readContexts(environment);
  const secret = await readSecret(surroundings, options);
  const authority = await learnAuthority(server, fingerprint, stop);
  const place = { name, server: server.origin, fingerprint, authority };
  const token = options.user === undefined ? secret : await signIn(surroundings, place, options.user, secret);
  const context = { ...place, token };
  // The smallest thing that nobody may see without a good token.
  await atSite(surroundings, context, (site) => site.machines.listMachines({ pageSize: 1 }));
  await writeContexts(environment, { current: name, contexts: [...contexts.filter((one) => one.name !== name), context] });
  writeAnswer(surroundings, options, {
    data: { name, server: server.origin, fingerprint, file: contextsFile(environment) },
    people: [{ line: `Logged in at ${server.origin} as context ${name}; kept in ${contextsFile(environment)}.` }],
  });
};

const readSecret = async (surroundings: Surroundings, { user, passwordFile, tokenFile }: LoginOptions): Promise<string> =>
  user === undefined ? readToken(surroundings, tokenFile) : (await readPasswords(surroundings, passwordFile, `Password of ${user}`))[0]!;

const atSite = async <T>(surroundings: Surroundings, context: Context, ask: (site: Site) => Promise<T>): Promise<T> => {
  const site = openSite(context, surroundings);
  try {
    return await ask(site);
  } finally {
    site.close();
  }
};

/** A token for a name and its password. */
const signIn = async (surroundings: Surroundings, place: Omit<Context, 'token'>, name: string, password: string): Promise<string> =>
  (await atSite(surroundings, { ...place, token: '' }, (site) => site.sessions.signIn({ name, password }))).token;

const refuse = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const parseServer = (text: string): URL => {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url?.protocol === 'https:' && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '') return url;
  throw refuse(`--server ${text}`, 'it is not the address of a configuration server', 'give https://HOST or https://HOST:PORT');
};

const parseFingerprint = (text: string): string => {
  const digits = text.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  throw refuse(
    '--fingerprint',
    'it is not 64 hexadecimal digits',
    'take it whole from the log of the configuration server, or from a join command',
  );
};

const parseName = (text: string): string => {
  if (/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/.test(text)) return text;
  throw refuse(`--name ${text}`, 'it has to begin with a letter or digit and hold nothing but those and . _ : -', 'give a simpler one');
};
