import { clientTlsOptions, fromConnect } from '@holdfast/protocol';
import type { Address } from '../settings/kinds.ts';
import { requestCertificate } from './certificate-request.ts';
import type { HardwareIdentity } from './member.ts';
import { toPem } from './pem.ts';
import { openServerLink, serverThing } from './server-link.ts';
import { requireFitting, type StoredIdentity } from './stored-identity.ts';
import { requireAuthorized } from './verify-server.ts';

/** Milliseconds the server may take to answer. */
const PATIENCE = 30_000;

/** Asks for a certificate for a new key, by the identity that there is. Gives the next identity, stored nowhere yet. */
export const renewCertificate = async (
  identity: StoredIdentity,
  server: Address,
  hardware: HardwareIdentity,
  signal: AbortSignal,
): Promise<StoredIdentity> => {
  const thing = serverThing(server);
  const { key, request } = await requestCertificate();
  const secure = clientTlsOptions(identity, { role: 'configuration-server' });
  const link = await openServerLink({ server, secure, signal, check: (socket) => requireAuthorized(socket, thing) });
  try {
    const question = {
      certificateRequest: request,
      hardware: { ...hardware, macAddresses: [...hardware.macAddresses] },
      incarnation: BigInt(identity.incarnation),
    };
    const answer = await link.enrolment.renew(question, { timeoutMs: PATIENCE, signal }).catch((reason: unknown) => {
      throw fromConnect(reason, thing);
    });
    const next = {
      ...identity,
      obtained: Date.now(),
      key,
      certificateChain: answer.certificateChain.map((der) => toPem(der, 'CERTIFICATE')).join(''),
      authorities: answer.trustedAuthorities.map((der) => toPem(der, 'CERTIFICATE')).join(''),
    };
    requireFitting(next, thing);
    return next;
  } finally {
    link.close();
  }
};
