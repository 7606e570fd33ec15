import { HoldfastError } from '@holdfast/errors';
import type { Commit, StoredAudit, StoredEvent } from './state-store.ts';

const KEY = /^[a-z0-9/._-]{1,200}$/;
const SUBJECT = /^[A-Za-z0-9-]{0,64}$/;

/** Throws INTERNAL for a key that no store may hold: keys are made by this program, never by its users. */
export const checkKey = (key: string): void => {
  if (KEY.test(key)) return;
  throw new HoldfastError('INTERNAL', { thing: `key ${JSON.stringify(key.slice(0, 220))}`, why: 'it is no key', remedy: 'report this' });
};

/** Throws INTERNAL for a subject that is no id. */
const checkSubject = (subject: string): void => {
  if (SUBJECT.test(subject)) return;
  throw new HoldfastError('INTERNAL', {
    thing: `subject ${JSON.stringify(subject.slice(0, 80))}`,
    why: 'it is no id',
    remedy: 'report this',
  });
};

/** Throws INTERNAL when a commit names a wrong key or subject, or one key to put and to delete. */
export const checkCommit = ({ expect = {}, put = {}, delete: gone = [], events = [], audit }: Commit): void => {
  for (const { subject } of events) checkSubject(subject);
  if (audit !== undefined) checkSubject(audit.subject);
  for (const key of [...Object.keys(expect), ...Object.keys(put), ...gone]) checkKey(key);
  const twice = gone.find((key) => Object.hasOwn(put, key));
  if (twice !== undefined)
    throw new HoldfastError('INTERNAL', { thing: `key ${twice}`, why: 'one commit puts and deletes it', remedy: 'report this' });
};

/** The error of a commit that expected another revision. */
export const conflict = (key: string, expected: number, found: number): HoldfastError => {
  const state = (revision: number): string => (revision === 0 ? 'absent' : `at version ${revision}`);
  return new HoldfastError('VERSION_CONFLICT', {
    thing: key,
    why: `it is ${state(found)}, not ${state(expected)}`,
    remedy: 'read it again and decide anew',
  });
};

/** The error of a watch that wants what is gone. */
export const compacted = (after: number, kept: number): HoldfastError =>
  new HoldfastError('CHANGES_COMPACTED', {
    thing: `changes after revision ${after}`,
    why: `only those after ${kept} are kept`,
    remedy: 'read everything once and watch from the newest revision',
  });

/** A commit's revisions: events take one each, the commit has the last. */
export const numbered = (
  commit: Commit,
  newest: number,
): { readonly revision: number; readonly events: readonly StoredEvent[]; readonly audit: StoredAudit | undefined } => {
  const events = (commit.events ?? []).map((event, index) => ({ ...event, revision: newest + 1 + index }));
  const revision = newest + Math.max(1, events.length);
  return { revision, events, audit: commit.audit && { ...commit.audit, revision } };
};
