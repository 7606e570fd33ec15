import type { Health } from '@holdfast/daemon';
import type { Authority } from './authority/authority.ts';

const DAY = 24 * 3_600_000;
/** Members have to learn of a new authority before the old one ends. */
const WARNING = 90 * DAY;

/** What is asked of the store for health: the error of the newest commit, if it failed. */
export interface StoreHealth {
  readonly problem: Error | undefined;
}

/** In words, when the authority ends soon. */
export const endOf = ({ notAfter }: Pick<Authority, 'notAfter'>): string | undefined =>
  notAfter - Date.now() > WARNING ? undefined : `the certificate authority ends at ${new Date(notAfter).toISOString()}`;

/** Tells health what would make this server useless. */
export const watchHealth = (health: Health, store: StoreHealth, authority: Pick<Authority, 'notAfter'>): void => {
  health.check('state store', () => store.problem?.message);
  health.check('certificate authority', () => endOf(authority));
};
