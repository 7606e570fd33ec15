import type { Log } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { find, plainKind } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { indexEndedJobs } from './index-ended-jobs.ts';
import type { Migration } from './migration.ts';

/** In their order; each leads to the form that is one above. States of the first form have been through none, and say nothing of it. */
const MIGRATIONS: readonly Migration[] = [indexEndedJobs];
const FIRST = 1;

export const STATE_FORM = 'state';
/** The form of everything there is. Documents have forms of their own beside it, for what concerns one kind alone. */
export const stateForms = plainKind<{ readonly form: number }>('form', 1);

/** Of states that this version makes. */
export const newestForm = (migrations = MIGRATIONS): number => FIRST + migrations.length;

/**
 * Does what is missing of the migrations, one after the other; nobody else may use the store meanwhile. That one is done is committed with an event and an
 * audit record. Rejects with STATE_VERSION_UNSUPPORTED when a newer version was here.
 */
export const migrate = async (store: StateStore, log: Log, migrations = MIGRATIONS): Promise<void> => {
  const form = (await find(store, stateForms, STATE_FORM))?.value.form ?? FIRST;
  if (form > newestForm(migrations))
    throw new HoldfastError('STATE_VERSION_UNSUPPORTED', {
      thing: 'state of this configuration server',
      why: `it has form ${form}, and this version knows ${newestForm(migrations)}`,
      remedy: 'use the version that wrote it, or a newer one',
    });
  for (const [at, { about, run }] of migrations.entries()) {
    const to = FIRST + at + 1;
    if (to <= form) continue;
    log.info('The state of an earlier version is brought into the form of this one', { about, to });
    const changed = await run(store);
    await transact(store, async (transaction) => {
      const actor = 'configuration server';
      transaction.put(stateForms, STATE_FORM, { form: to });
      transaction.audit({ actor, action: 'Migrate', subject: '', detail: `to form ${to}: ${about}` });
      transaction.event({
        severity: 'information',
        code: 'state-migrated',
        text: `The state has form ${to} now, in which ${about}; ${changed} records changed`,
        subject: '',
        actor,
      });
    });
  }
};
