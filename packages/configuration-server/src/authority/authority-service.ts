import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import type { AuthorityService } from '@holdfast/protocol';
import { personOf } from '../listener/caller.ts';
import type { Authority } from './authority.ts';
import { notInPhase } from './authority-ring.ts';
import type { Rotation } from './rotation.ts';

export interface AuthorityParts {
  readonly authority: Authority;
  readonly rotation: Rotation;
}

/** The certificate authority over the API. */
export const createAuthorityService = ({ authority, rotation }: AuthorityParts): ServiceImpl<typeof AuthorityService> => {
  const state = async () => ({
    authorities: authority.certificates.map(({ fingerprint, notBefore, notAfter, signs }) => ({
      fingerprint,
      notBeforeUnixMillis: BigInt(notBefore),
      notAfterUnixMillis: BigInt(notAfter),
      signs,
    })),
    phase: authority.phase,
    waitingFor: [...(await rotation.waitingFor())],
  });
  return {
    getAuthority: state,
    async rotateAuthority({ force, phase, compromised }, { values }) {
      const { name: actor } = personOf(values);
      const from = authority.phase;
      if (phase !== from) throw notInPhase(from, phase);
      if (compromised) {
        await rotation.replace(actor, from);
        return { authority: await state() };
      }
      const waiting = await rotation.waitingFor();
      if (waiting.length > 0 && !force)
        throw new HoldfastError('PREREQUISITES_MISSING', {
          thing: `certificate authority, ${authority.phase}`,
          why: `${waiting.length} members are not ready for the next step, the first: ${waiting[0]}`,
          remedy: 'wait, it goes on by itself once they have renewed their certificates; with --force they have to join anew',
        });
      await rotation.turn(actor, from);
      return { authority: await state() };
    },
  };
};
