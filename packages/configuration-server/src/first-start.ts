import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { newId, PolicySchema } from '@holdfast/protocol';
import { completePolicy } from './api/policy-rules.ts';
import { putPolicy } from './api/policy-service.ts';
import { writePrivately } from './authority/authority-files.ts';
import { hashOf, newSecret, secretId } from './enrolment/tokens.ts';
import { newestForm, STATE_FORM, stateForms } from './migrations/migrate.ts';
import { find } from './records/kind.ts';
import { accesses, SITE, sites } from './records/kinds.ts';
import { transact } from './records/transaction.ts';
import type { StateStore } from './state/state-store.ts';

/** Where the first administrator's token lies. */
export const ADMINISTRATOR_FILE = 'administrator.token';

/**
 * Makes a new installation in an empty store: its id, the default policy, and an administrator whose token lies in a file that only this
 * user can read. Gives the id of this server. The file is written first: a crash between leaves a file without meaning, which is overwritten.
 */
export const ensureInstallation = async (store: StateStore, directory: string, log: Log): Promise<string> => {
  const known = await find(store, sites, SITE);
  if (known !== undefined) return known.value.id;
  const file = path.join(directory, ADMINISTRATOR_FILE);
  const secret = newSecret();
  await writePrivately(file, `${secret}\n`);
  const id = newId();
  await transact(store, async (transaction) => {
    transaction.put(sites, SITE, { id });
    transaction.put(stateForms, STATE_FORM, { form: newestForm() });
    transaction.put(accesses, secretId(secret), {
      hash: hashOf(secret),
      name: 'administrator',
      role: 'administrator',
      created: Date.now(),
    });
    await putPolicy(transaction, completePolicy(create(PolicySchema, { name: 'default' })));
    transaction.event({
      severity: 'information',
      code: 'installation-created',
      text: 'This installation of Holdfast was created',
      subject: '',
      actor: 'configuration server',
    });
  });
  log.info('A new installation was created; the token of its administrator is in a file', { file });
  return id;
};
