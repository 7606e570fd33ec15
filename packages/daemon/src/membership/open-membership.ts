import { HoldfastError } from '@holdfast/errors';
import { identityUri } from '@holdfast/protocol';
import { readIdentity, storeIdentity } from './identity-file.ts';
import { withIdentityLock } from './identity-lock.ts';
import { keepCertificateRenewed } from './keep-renewed.ts';
import type { Membership, MembershipOptions } from './membership.ts';
import { readCertificates } from './pem.ts';
import { recoveryOf } from './recovered.ts';
import { renewCertificate } from './renew-certificate.ts';
import { sameHardware } from './same-hardware.ts';
import { openServerAddresses } from './server-addresses.ts';
import type { StoredIdentity } from './stored-identity.ts';
import { joinedAnew, watchIdentity } from './watch-identity.ts';
import { readWhereabouts, type Whereabouts } from './whereabouts.ts';

/** Whether less than half of its life is over. */
const isYoung = ({ certificateChain, obtained }: StoredIdentity): boolean => {
  const end = readCertificates(certificateChain)[0]!.validToDate.getTime();
  return 2 * (end - Date.now()) > end - obtained;
};

/**
 * Opens what `joinSite` wrote. Rejects with NOT_ENROLLED, AGENT_CLONED when the directory belongs to another machine, IDENTITY_MISMATCH when
 * it is another role's, DAMAGED naming the file. A certificate that ended is no reason to reject: the program's work on this machine goes on,
 * log and health say what to do.
 */
export const openMembership = async ({
  directory,
  role,
  hardware,
  log,
  health,
  metrics,
  server,
}: MembershipOptions): Promise<Membership> => {
  let identity = await readIdentity(directory, (words) => log.warn(words));
  if (identity.role !== role)
    throw new HoldfastError('IDENTITY_MISMATCH', {
      thing: directory,
      why: `it holds the identity ${identityUri(identity)}, and this program is a ${role}`,
      remedy: 'give each program its own state.directory',
    });
  const recovered = await recoveryOf(directory);
  if (recovered !== undefined)
    throw new HoldfastError('AGENT_CLONED', {
      thing: directory,
      why: `${recovered}; nothing is sent under the identity ${identityUri(identity)}`,
      remedy: 'enrol this machine with a token of its own when it shall be protected',
    });
  if (!sameHardware(identity.hardware, hardware))
    throw new HoldfastError('AGENT_CLONED', {
      thing: directory,
      why: `its identity ${identityUri(identity)} was given to a machine with other hardware; nothing is sent under it`,
      remedy: `if this is a copy of that machine, remove ${directory} and enrol this machine with a token of its own; if hardware was replaced, enrol again`,
    });

  const servers = await openServerAddresses({ directory, id: identity.id, joined: identity.server, setting: server, log });
  const listeners = new Set<() => void>();
  const leaf = () => readCertificates(identity.certificateChain)[0]!;
  let certificate = leaf();
  const use = (next: StoredIdentity): void => {
    identity = next;
    certificate = leaf();
    for (const listener of listeners) listener();
  };
  const membership: Membership = {
    id: identity.id,
    role,
    incarnation: identity.incarnation,
    servers,
    async heed(content) {
      let told: Whereabouts;
      try {
        told = readWhereabouts(content, identity.authorities);
      } catch (error) {
        log.debug('What was told of where the configuration server is does not count', { error });
        return false;
      }
      if (await servers.heed(told))
        log.info('The configuration server told where it is reached', {
          addresses: told.addresses,
          made: new Date(told.made).toISOString(),
        });
      return true;
    },
    hardware,
    credentials: { current: () => identity },
    get notAfter() {
      return certificate.validToDate.getTime();
    },
    onRenewed(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async keepRenewed(stopping) {
      const ending = new AbortController();
      const signal = AbortSignal.any([stopping, ending.signal]);
      let unkept: StoredIdentity | undefined;
      const renew = async (): Promise<void> => {
        const next =
          unkept !== undefined && isYoung(unkept) ? unkept : await renewCertificate(identity, servers.current(), hardware, signal);
        await withIdentityLock(directory, 0, async () => {
          const problem = await joinedAnew(directory, identity);
          if (problem !== undefined) throw problem;
          unkept = next;
          try {
            await storeIdentity(directory, next);
            unkept = undefined;
          } finally {
            // A full disk must not let the certificate end: used all the same, and stored at the next try.
            if (next !== identity) use(next);
          }
        });
      };
      await Promise.all([
        watchIdentity(directory, identity, signal).finally(() => ending.abort()),
        keepCertificateRenewed({
          log,
          health,
          metrics,
          stopping: signal,
          current: () => ({ certificate, obtained: identity.obtained }),
          renew,
        }),
      ]);
    },
  };
  return membership;
};
