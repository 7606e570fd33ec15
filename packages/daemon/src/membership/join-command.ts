import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { identityUri } from '@holdfast/protocol';
import { type Command, type CommandContext, defineCommand } from '../program/command.ts';
import { address, filePath, formatAddress, text } from '../settings/kinds.ts';
import type { Values } from '../settings/setting.ts';
import { asOwnerOf } from '../state/as-owner-of.ts';
import { readHardwareIdentity } from './hardware-identity.ts';
import { readIdentity } from './identity-file.ts';
import { withIdentityLock } from './identity-lock.ts';
import { joinSite } from './join-site.ts';
import type { MemberRole } from './member.ts';
import type { MemberSchema } from './member-settings.ts';
import type { StoredIdentity } from './stored-identity.ts';

export interface JoinCommandOptions<S extends MemberSchema> {
  readonly role: MemberRole;
  /** The addresses at which agents reach a process server, from its settings. */
  endpoints?(settings: Values<S>): readonly string[];
}

const OPTIONS = {
  server: address({ help: 'The configuration server' }),
  fingerprint: text({ help: "SHA-256 of the public key of the installation's authority, as holdfast token create prints it" }),
  tokenFile: filePath({ optional: true, help: 'File with the token, where it does not come by standard input' }),
};

/** Milliseconds a renewal or another join may take. */
const PATIENCE = 5000;

/** Bytes of a token file that are looked at. */
const LARGEST = 4096;

const readTokenFile = async (file: string): Promise<string> => {
  const handle = await open(file).catch((reason: unknown) => {
    throw fromSystem(reason, `option --token-file: ${file}`);
  });
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(LARGEST), 0, LARGEST, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
};

const readToken = async (file: string | undefined, { readSecret }: Pick<CommandContext, 'readSecret'>): Promise<string> => {
  const given = file === undefined ? await readSecret('Token') : await readTokenFile(file);
  const token = given?.trim() ?? '';
  if (/^[\x21-\x7e]{8,512}$/.test(token)) return token;
  throw new HoldfastError('SETTING_INVALID', {
    thing: file === undefined ? 'token (standard input)' : `token (${file})`,
    why: token === '' ? 'there is none' : 'it does not look like a token',
    remedy: 'run the whole line that holdfast token create prints',
  });
};

/** The identity there was before; a damaged one is as good as none, because it is about to be replaced. */
const formerIdentity = (directory: string): Promise<StoredIdentity | undefined> =>
  readIdentity(directory).catch((reason: HoldfastError) => {
    if (reason.code === 'NOT_ENROLLED' || reason.code === 'DAMAGED') return undefined;
    throw reason;
  });

const requireRole = (former: StoredIdentity | undefined, role: MemberRole, directory: string): void => {
  if (former === undefined || former.role === role) return;
  throw new HoldfastError('IDENTITY_MISMATCH', {
    thing: directory,
    why: `it is the state directory of ${identityUri(former)}`,
    remedy: `give this ${role} its own state.directory`,
  });
};

/**
 * `PROGRAM join --server HOST:PORT --fingerprint HEX [--token-file FILE]`: the token comes by standard input, never as an argument. For
 * `commands: { join: joinCommand({ role: 'agent' }) }` of a program whose settings hold `memberSettings`.
 */
export const joinCommand = <S extends MemberSchema = MemberSchema>({ role, endpoints }: JoinCommandOptions<S>): Command<S> => {
  const join = async (context: CommandContext<S, typeof OPTIONS>, directory: string): Promise<number> => {
    const { name, version, options, settings, stopping, print } = context;
    const asOwner = <T>(work: () => Promise<T>): Promise<T> => asOwnerOf(directory, work);
    const former = await asOwner(() => formerIdentity(directory));
    requireRole(former, role, directory);
    const hardware = await readHardwareIdentity({ file: (settings as Values<MemberSchema>).identity.hardwareFile });
    const joined = await joinSite({
      ...options,
      token: await readToken(options.tokenFile, context),
      role,
      hardware,
      hostname: hostname(),
      version,
      endpoints: endpoints?.(settings) ?? [],
      directory,
      signal: stopping,
      writing: asOwner,
    });
    print(`Joined ${formatAddress(options.server)} as ${role} ${joined.id}, enrolment ${joined.incarnation} of this machine.`);
    if (former !== undefined && former.id !== joined.id) print(`Before, it was ${role} ${former.id}.`);
    print(`Its certificate ends at ${new Date(joined.notAfter).toISOString()}; ${name} renews it by itself.`);
    if (joined.problem !== undefined) print(`But: ${joined.problem.message}`);
    print(`If ${name} runs, it takes this up within seconds. Otherwise start it; with systemd: systemctl enable --now ${name}`);
    return 0;
  };
  return defineCommand<S, typeof OPTIONS>({
    summary: `Makes this machine a member of an installation, as ${role}, with a one-time token.`,
    options: OPTIONS,
    notes: 'The token is read from standard input, or asked for on a terminal: every user of a machine could read an argument.',
    async run(context) {
      const directory = await context.stateDirectory();
      return withIdentityLock(
        directory,
        PATIENCE,
        () => join(context, directory),
        (open) => asOwnerOf(directory, open),
      );
    },
  });
};
