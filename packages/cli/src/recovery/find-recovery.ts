import { type Recovery, RecoveryKind, RecoveryState } from '@holdfast/protocol';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { readPages } from '../site/read-pages.ts';
import type { Site } from '../site/site.ts';

const RECOVERY: Kind = { one: 'recovery', many: 'recoveries' };

export const readRecoveries = ({ recoveries }: Site, filter: { machine?: string; open?: boolean }, limit?: number): Promise<Recovery[]> =>
  readPages(async (request) => {
    const { recoveries: rows, nextPageToken } = await recoveries.listRecoveries({ ...request, ...filter });
    return { rows, nextPageToken };
  }, limit);

/** Recoveries looked at for the beginning of an id. */
const NEWEST = 500;

const choose = (recoveries: readonly Recovery[], word: string, byMachine: boolean): Recovery =>
  chooseResource(
    recoveries.map((one) => ({ id: one.id, ...(byMachine && { name: one.machineName }), one })),
    word,
    RECOVERY,
  ).one;

/** The recovery meant by its id, by the beginning of it, or by the machine of which it is the only open one, else the newest that was committed. */
export const findRecovery = async (site: Site, word: string): Promise<Recovery> => {
  const open = await readRecoveries(site, { open: true });
  const ofMachine = open.filter(({ machineName }) => machineName === word);
  if (ofMachine.length === 1) return ofMachine[0]!;
  const all = ofMachine.length > 1 ? ofMachine : await readRecoveries(site, {}, NEWEST);
  // What was committed runs on, and is nobody's to end.
  const committed = all.find(({ machineName, state }) => machineName === word && state === RecoveryState.COMMITTED);
  if (ofMachine.length === 0 && committed !== undefined) return committed;
  return choose(all, word, ofMachine.length > 1);
};

type Fits = (recovery: Recovery) => boolean;
const runs: Fits = ({ state }) => state === RecoveryState.RUNNING || state === RecoveryState.COMMITTED;
const isCommitted: Fits = ({ state }) => state === RecoveryState.COMMITTED;
const isFailover: Fits = ({ kind }) => kind === RecoveryKind.FAILOVER;

/** Of the machine called so those that fit the first of `wishes` that any fits; else what has this id. Errors: SETTING_INVALID when several are meant. */
const findOf = async (site: Site, word: string, wishes: readonly Fits[]): Promise<Recovery> => {
  const [open, newest] = [await readRecoveries(site, { open: true }), await readRecoveries(site, {}, NEWEST)];
  const all = [...open, ...newest.filter(({ id }) => !open.some((one) => one.id === id))];
  const own = all.filter(({ machineName }) => machineName === word);
  const meant = wishes.map((fits) => own.filter(fits)).find(({ length }) => length > 0);
  return meant === undefined ? choose(all, word, false) : choose(meant, word, true);
};

/** The machine that people work with, or a test where there is no other: by its id, or by the name of its source. Errors: SETTING_INVALID when several are meant. */
export const findRecovered = (site: Site, word: string): Promise<Recovery> =>
  findOf(site, word, [(one) => runs(one) && isFailover(one), runs]);

/** What was committed, else what is to be committed first, by its id or by the name of its source. Errors: SETTING_INVALID when several are meant. */
export const findCommitted = (site: Site, word: string): Promise<Recovery> =>
  findOf(site, word, [isCommitted, (one) => runs(one) && isFailover(one)]);
