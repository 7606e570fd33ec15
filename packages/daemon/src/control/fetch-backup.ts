import { clientTlsOptions, fromConnect } from '@holdfast/protocol';
import type { Membership } from '../membership/membership.ts';
import { openServerLink, serverThing } from '../membership/server-link.ts';
import { requireAuthorized } from '../membership/verify-server.ts';

/** Milliseconds a whole backup may take. */
const PATIENCE = 3_600_000;

/** The bytes of a backup of the configuration server for a vault, by a connection of its own. Errors: those of the server, CONNECTION_LOST. */
export async function* fetchBackup(
  { servers, credentials }: Pick<Membership, 'servers' | 'credentials'>,
  vault: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const server = servers.current();
  const thing = serverThing(server);
  const secure = clientTlsOptions(credentials.current(), { role: 'configuration-server' });
  const link = await openServerLink({ server, secure, signal, check: (socket) => requireAuthorized(socket, thing) });
  try {
    for await (const { part } of link.control.fetchBackup({ vault }, { signal, timeoutMs: PATIENCE })) yield part;
  } catch (reason) {
    throw fromConnect(reason, thing);
  } finally {
    link.close();
  }
}
