import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@holdfast/daemon';
import { find, listAll } from '../records/kind.ts';
import {
  accesses,
  type CertificateRecord,
  type MemberRecord,
  machines,
  members,
  type ReplacingRecord,
  SITE,
  servers,
  sites,
  tokens,
} from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import type { Authority } from './authority.ts';
import { notInPhase, type Phase } from './authority-ring.ts';

export interface RotationOptions {
  readonly store: StateStore;
  readonly authority: Authority;
  /** Milliseconds after its end in which a certificate can be renewed. */
  readonly grace: number;
  readonly log: Log;
  /** Milliseconds between two looks whether members are ready. */
  readonly look?: number;
}

/** The way to another certificate authority without enrolling anybody anew. */
export interface Rotation {
  /** Names of members that the next step waits for. */
  waitingFor(): Promise<readonly string[]>;
  /** The next step from this phase, whoever waits. Rejects with VERSION_CONFLICT when somebody else has taken it. */
  turn(actor: string, from: Phase): Promise<Phase>;
  /**
   * Another authority at once, since somebody else may have the key of this one: every member has to enrol anew, and sessions and join tokens end with it.
   * Once that is ordered it is carried out, if not now then at the next look or start. Rejects with VERSION_CONFLICT.
   */
  replace(actor: string, from: Phase): Promise<void>;
  /** Carries out what `replace` ordered and could not end; before anybody is served. */
  finish(): Promise<void>;
  /** Goes on by itself once all are ready, until `stopping` aborts. */
  run(stopping: AbortSignal): Promise<void>;
}

const WORDS: Readonly<Record<Phase, string>> = {
  announced: 'A new certificate authority was made: members learn of it when they renew their certificates',
  switched: 'The new certificate authority signs from now on; the old one is trusted until nobody has a certificate of it',
  steady: 'The old certificate authority is trusted no more',
};

const REPLACED =
  'The certificate authority was replaced, since its key may be known: members join anew, people log in anew, by its fingerprint';

const LOOK = 10_000;

/** A member that shows a certificate has what came with it. */
const isReady = ({ certificates }: MemberRecord, fits: (certificate: CertificateRecord) => boolean): boolean =>
  certificates.some((certificate) => certificate.seen !== false && fits(certificate));

export const createRotation = ({ store, authority, grace, log, look = LOOK }: RotationOptions): Rotation => {
  const waitingFor = async (): Promise<readonly string[]> => {
    if (authority.phase === 'steady') return [];
    const fits = (certificate: CertificateRecord): boolean =>
      authority.phase === 'announced' ? certificate.told === authority.newest : certificate.signer === authority.fingerprint;
    const names: string[] = [];
    for await (const { id, value } of listAll(store, members)) {
      // Whoever can renew no more has to enrol anew in any case.
      const isLiving = value.certificates.some(({ notAfter }) => notAfter + grace > Date.now());
      if (!isLiving || isReady(value, fits)) continue;
      const known = await find<{ readonly name: string }>(store, value.role === 'agent' ? machines : servers, id);
      names.push(known?.value.name ?? id);
    }
    return names;
  };

  /** One thing after the other: what is replaced is not led on meanwhile. */
  let order: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const done = order.then(work);
    order = done.catch(() => undefined);
    return done;
  };

  const replacing = async (): Promise<ReplacingRecord | undefined> => (await find(store, sites, SITE))?.value.replacing;

  const takeStep = async (actor: string, from: Phase): Promise<Phase> => {
    const phase = await authority.turn(from);
    await transact(store, async (transaction) => {
      transaction.event({ severity: 'warning', code: `authority-${phase}`, text: WORDS[phase], subject: '', actor });
      transaction.audit({ actor, action: 'RotateAuthority', subject: '', detail: phase });
    });
    log.info(WORDS[phase], { fingerprint: authority.fingerprint });
    return phase;
  };

  const carryOut = async (): Promise<void> => {
    const ordered = await replacing();
    if (ordered === undefined) return;
    if (authority.fingerprint === ordered.known) await authority.replace(authority.phase);
    const { fingerprint } = authority;
    await transact(store, async (transaction) => {
      const site = await transaction.read(sites, SITE);
      if (site?.value.replacing === undefined) return;
      const { replacing: _, ...rest } = site.value;
      transaction.put(sites, SITE, rest);
      // Whoever pretended to be this server was shown them.
      for await (const { id } of listAll(store, tokens)) transaction.delete(tokens, id);
      for await (const { id, value } of listAll(store, accesses)) if (value.userId !== undefined) transaction.delete(accesses, id);
      const { actor } = ordered;
      transaction.event({ severity: 'critical', code: 'authority-replaced', text: `${REPLACED}: ${fingerprint}`, subject: '', actor });
      transaction.audit({ actor, action: 'RotateAuthority', subject: '', detail: 'compromised' });
    });
    log.warn(REPLACED, { fingerprint });
  };

  return {
    waitingFor,
    turn: (actor, from) =>
      inOrder(async () => {
        await carryOut();
        return takeStep(actor, from);
      }),
    replace: (actor, from) =>
      inOrder(async () => {
        if (authority.phase !== from) throw notInPhase(authority.phase, from);
        // Whatever happens from here on, it is replaced: its key is on the disk alone, sessions are in the store.
        await transact(store, async (transaction) => {
          const site = await transaction.read(sites, SITE);
          if (site !== undefined && site.value.replacing === undefined)
            transaction.put(sites, SITE, { ...site.value, replacing: { known: authority.fingerprint, actor } });
        });
        await carryOut();
      }),
    finish: () => inOrder(carryOut),
    async run(stopping) {
      while (!stopping.aborted) {
        try {
          await inOrder(async () => {
            await carryOut();
            const { phase } = authority;
            if (phase !== 'steady' && (await waitingFor()).length === 0) await takeStep('configuration server', phase);
          });
        } catch (error) {
          log.warn('The certificate authority could not be replaced further; it is tried again', { error });
        }
        await sleep(look, undefined, { signal: stopping }).catch(() => undefined);
      }
    },
  };
};
