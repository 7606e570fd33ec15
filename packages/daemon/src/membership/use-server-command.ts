import { clientTlsOptions } from '@holdfast/protocol';
import { type Command, type CommandContext, defineCommand } from '../program/command.ts';
import { address, formatAddress } from '../settings/kinds.ts';
import { readIdentity } from './identity-file.ts';
import type { MemberSchema } from './member-settings.ts';
import { preferAddress } from './server-addresses.ts';
import { openServerLink, serverThing } from './server-link.ts';
import { requireAuthorized } from './verify-server.ts';

const OPTIONS = {
  server: address({ help: 'Where the configuration server is now' }),
};

/**
 * `PROGRAM use-server --server HOST:PORT`: the configuration server is somewhere else now, restored there for example. It is asked for its
 * certificate before anything is changed: one of another installation, or one that was rebuilt with another authority, is refused.
 */
export const useServerCommand = <S extends MemberSchema = MemberSchema>(): Command<S> =>
  defineCommand<S, typeof OPTIONS>({
    summary: 'Tells this member where its configuration server is now.',
    options: OPTIONS,
    notes:
      'Needed only where the server could not tell its new address itself (setting listen.addresses there). A program that runs tries the address as soon as the one it uses does not answer. ' +
      'A server that was rebuilt without its certificate authority is another one: join it with a new token, the machine keeps its id.',
    async run(context: CommandContext<S, typeof OPTIONS>) {
      const { options, stopping, print } = context;
      const directory = await context.stateDirectory();
      const identity = await readIdentity(directory);
      const { server } = options;
      const thing = serverThing(server);
      const secure = clientTlsOptions(identity, { role: 'configuration-server' });
      const link = await openServerLink({ server, secure, signal: stopping, check: (socket) => requireAuthorized(socket, thing) });
      link.close();
      await preferAddress(directory, identity.id, server);
      print(`${formatAddress(server)} is the configuration server of this installation, and is tried first from now on.`);
      return 0;
    },
  });
