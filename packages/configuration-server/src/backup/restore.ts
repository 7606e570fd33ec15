import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { publicKeyFingerprint } from '@holdfast/protocol';
import { AUTHORITY_FILE, NEEDED_FILES, writePrivately } from '../authority/authority-files.ts';
import { hashOf, newSecret, secretId } from '../enrolment/tokens.ts';
import { ADMINISTRATOR_FILE } from '../first-start.ts';
import { listAll } from '../records/kind.ts';
import { accesses, SITE, sites, tokens } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { fillLevelStore, openLevelStore } from '../state/level-store.ts';
import { type BackupHead, type BackupItem, readBackup } from './content.ts';
import { fillEmptyState } from './empty-state.ts';
import { AUTHORITY_FILES } from './make-backup.ts';
import { forgetWantedBackups } from './vault-backups.ts';

export interface RestoreOptions {
  readonly content: AsyncIterable<Uint8Array>;
  readonly passphrase: string;
  /** Where the content comes from, for errors. */
  readonly thing: string;
  readonly stateDirectory: string;
  /** Somebody may have the key of the authority in it: the server makes another one before it serves anybody. */
  readonly compromised?: boolean;
}

export interface Restored {
  readonly head: BackupHead;
  readonly records: number;
  /** Of the authority that signed when the backup was made. */
  readonly fingerprint: string;
}

const ACTOR = 'restore';
const LIMITS = { events: Number.MAX_SAFE_INTEGER, audit: Number.MAX_SAFE_INTEGER, changes: Number.MAX_SAFE_INTEGER };

/** What the token that a restore makes is called; there is one of them. */
const RESTORER = 'administrator-restored';

/** What was good at the time of the backup and may have been used or taken back since goes; `secret` lets in whoever restores it. `known`: the authority that is to be replaced, by its fingerprint. */
const settleAccess = async (directory: string, made: number, known: string | undefined, secret: string): Promise<void> => {
  const store = await openLevelStore(directory, LIMITS);
  try {
    await forgetWantedBackups(store);
    await transact(store, async (transaction) => {
      for await (const { id } of listAll(store, tokens)) transaction.delete(tokens, id);
      for await (const { id, value } of listAll(store, accesses))
        if (value.userId !== undefined || value.name === RESTORER) transaction.delete(accesses, id);
      const access = { hash: hashOf(secret), name: RESTORER, role: 'administrator', created: Date.now() } as const;
      transaction.put(accesses, secretId(secret), access);
      const at = new Date(made).toISOString();
      const site = await transaction.read(sites, SITE);
      const restored = { from: 'backup', made, at: Date.now() } as const;
      const replacing = known === undefined ? {} : { replacing: { known, actor: ACTOR } };
      if (site !== undefined) transaction.put(sites, SITE, { ...site.value, restored, ...replacing });
      transaction.event({
        severity: 'warning',
        code: 'restored',
        text: `This configuration server was restored from a backup made at ${at}; what was changed since has to be changed again`,
        subject: '',
        actor: ACTOR,
      });
      transaction.audit({ actor: ACTOR, action: 'Restore', subject: '', detail: at });
    });
  } finally {
    await store.close();
  }
};

/** More than there can have been since the backup: revisions that members were told since are not given out again. */
const REVISIONS_SINCE = 1_000_000_000;

const later = (state: unknown): unknown => ({
  ...(state as object),
  revision: (state as { readonly revision: number }).revision + REVISIONS_SINCE,
});

/**
 * Fills an empty state directory with what a backup holds. It is made beside and put in place once everything was read and found whole, so that
 * nothing of a backup that is damaged, or of a restore that was killed, stays. Join tokens and sign-ins are not taken over, as they may have
 * been used or ended since. The first administrator's token is lost with the server that made it: another one is put into its file. Errors as of `readBackup`, and OBJECT_EXISTS where there is a state already.
 */
export const restore = async ({ content, passphrase, thing, stateDirectory, compromised = false }: RestoreOptions): Promise<Restored> => {
  const { head, items } = await readBackup(content, passphrase, thing);
  const files = new Map<string, string>();
  async function* records(source: AsyncIterable<BackupItem>): AsyncGenerator<readonly [string, unknown]> {
    for await (const item of source) {
      if ('key' in item) yield [item.key, item.key === 'm/state' ? later(item.value) : item.value];
      else if ((AUTHORITY_FILES as readonly string[]).includes(item.file)) files.set(item.file, item.text);
    }
  }
  return fillEmptyState(stateDirectory, async (beside) => {
    const count = await fillLevelStore(path.join(beside, 'state'), records(items));
    for (const file of AUTHORITY_FILES) {
      const text = files.get(file);
      if (text === undefined && !(NEEDED_FILES as readonly string[]).includes(file)) continue;
      if (text === undefined)
        throw new HoldfastError('DAMAGED', { thing, why: `${file} is missing`, remedy: 'use another copy of the backup' });
      await writePrivately(path.join(beside, 'authority', file), text);
    }
    const fingerprint = publicKeyFingerprint(files.get(AUTHORITY_FILE.certificate)!);
    const secret = newSecret();
    await writePrivately(path.join(beside, ADMINISTRATOR_FILE), `${secret}\n`);
    await settleAccess(path.join(beside, 'state'), head.made, compromised ? fingerprint : undefined, secret);
    return { head, records: count, fingerprint };
  });
};
