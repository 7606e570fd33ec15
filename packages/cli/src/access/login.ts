import { HoldfastError } from '@holdfast/errors';
import { Command, Option } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import { contextsFile, readContexts, writeContexts } from '../site/contexts.ts';
import { learnAuthority } from '../site/learn-authority.ts';
import { openSite } from '../site/site.ts';
import type { Surroundings } from '../surroundings.ts';
import { readToken } from './read-token.ts';

interface LoginOptions extends OutputOptions {
  readonly server: URL;
  readonly fingerprint: string;
  readonly name?: string;
  readonly tokenFile?: string;
}

const HELP = `
The token comes by standard input, from --token-file, or is asked for; it is no argument, because
every user of a machine can read those. The first one stands in the file administrator.token in the
state directory of the configuration server, and its fingerprint in its log.

The fingerprint names the server's certificate authority. It is compared before the token is sent, and
from then on nothing but a certificate of this authority is believed. The login is kept in
~/.config/holdfast/contexts.yaml (or in the directory HOLDFAST_CLI_DIRECTORY), for you alone.

Examples:
  holdfast login --server https://holdfast.example.com --fingerprint 5f3c… < administrator.token
  holdfast login --server https://10.0.0.5:8443 --fingerprint 5f3c… --name lab --token-file lab.token`;

export const loginCommand = (surroundings: Surroundings): Command =>
  new Command('login')
    .description('log in at a configuration server')
    .addOption(new Option('--server <url>', 'https://HOST[:PORT] (required)').argParser(parseServer).makeOptionMandatory())
    .addOption(new Option('--fingerprint <hex>', 'of its authority (required)').argParser(parseFingerprint).makeOptionMandatory())
    .addOption(new Option('--name <name>', 'what to call the login (default: HOST of the server)').argParser(parseName))
    .addOption(new Option('--token-file <file>', 'file that holds the token'))
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action((options: LoginOptions) => login(surroundings, options));

const login = async (surroundings: Surroundings, options: LoginOptions): Promise<void> => {
  const { environment, stop } = surroundings;
  const { server, fingerprint, name = server.host } = options;
  // What cannot be kept need not be asked for.
  const { contexts } = await readContexts(environment);
  const token = await readToken(surroundings, options.tokenFile);
  const authority = await learnAuthority(server, fingerprint, stop);
  const context = { name, server: server.origin, fingerprint, authority, token };
  const site = openSite(context, surroundings);
  try {
    // The smallest thing that nobody may see without a good token.
    await site.machines.listMachines({ pageSize: 1 });
  } finally {
    site.close();
  }
  await writeContexts(environment, { current: name, contexts: [...contexts.filter((one) => one.name !== name), context] });
  writeAnswer(surroundings, options, {
    data: { name, server: server.origin, fingerprint, file: contextsFile(environment) },
    people: [{ line: `Logged in at ${server.origin} as context ${name}; kept in ${contextsFile(environment)}.` }],
  });
};

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
