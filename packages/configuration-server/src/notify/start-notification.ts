import { readFile } from 'node:fs/promises';
import type { ProgramContext } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Settings } from '../settings.ts';
import type { StateStore } from '../state/state-store.ts';
import { type Carrier, runCourier } from './courier.ts';
import { createEmail } from './email.ts';
import { createWebhook } from './webhook.ts';

const read = async (file: string | undefined): Promise<string | undefined> =>
  file === undefined
    ? undefined
    : readFile(file, 'utf8').catch((reason: unknown) => {
        throw fromSystem(reason, file);
      });

const missing = (setting: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: setting, why, remedy: 'see the table of settings in docs/operations.md' });

const carriers = async ({ email, webhook }: ProgramContext<Settings>['settings']): Promise<readonly Carrier[]> => {
  const found: Carrier[] = [];
  if (email.server !== undefined) {
    const { server, security, from, to, user, password } = email;
    if (from === undefined || to.length === 0) throw missing('email', 'a mail server is set, and email.from or email.to is not');
    const authorities = await read(email.certificateAuthorities);
    found.push(createEmail({ server, security, from, to, user, password: password?.reveal(), authorities }));
  }
  if (webhook.url !== undefined) {
    const authorities = await read(webhook.certificateAuthorities);
    found.push(createWebhook({ url: new URL(webhook.url), secret: webhook.secret?.reveal(), authorities }));
  }
  return found;
};

/** Tells people of events by whatever ways are set. Rejects with SETTING_INVALID when a way is set by half. */
export const startNotification = async ({ settings, log, health, run }: ProgramContext<Settings>, store: StateStore): Promise<void> => {
  const { severity: minimum } = settings.notification;
  for (const carrier of await carriers(settings))
    run(`notification by ${carrier.name}`, (stopping) => runCourier({ store, carrier, minimum, log, health }, stopping));
};
