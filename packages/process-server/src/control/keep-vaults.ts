import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultIdentities } from '../upload/vault-identities.ts';
import type { Vaults } from '../upload/vaults.ts';
import type { Assignments } from './assignments.ts';

/** Milliseconds between two looks, which are one request to each vault: usually, and while one of them could not be opened. */
const PAUSES = { usual: 60_000, soon: 10_000 };

/** The vaults that machines here are bound to: by id, or by the name that an earlier configuration server knows. */
const neededVaults = ({ machines }: Assignments): ReadonlySet<string> => new Set([...machines.values()].map(({ vault }) => vault));

/** Looks after the vaults of the settings until `stopping` aborts: opens all of them, so that it is known which ones they are, and asks whether they answer. */
export const keepVaults = async (
  vaults: Pick<Vaults, 'look' | 'standings'>,
  onLooked: () => void,
  stopping: AbortSignal,
  pauses = PAUSES,
): Promise<void> => {
  let told = '';
  while (!stopping.aborted) {
    await unlessStopped(vaults.look(), stopping);
    const standings = vaults.standings();
    const words = JSON.stringify(standings.map(({ id, place, problem, previous }) => [id, place, problem?.message, previous]));
    if (words !== told && !stopping.aborted) onLooked();
    told = words;
    const isWell = standings.every(({ isOpen, problem }) => isOpen && problem === undefined);
    await sleep(isWell ? pauses.usual : pauses.soon, undefined, { signal: stopping }).catch(() => undefined);
  }
};

/** Resolves at the end of the work, or when `stopping` aborts; leaves no listener behind. */
const unlessStopped = async (work: Promise<void>, stopping: AbortSignal): Promise<void> => {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  stopping.addEventListener('abort', stop, { once: true });
  await Promise.race([work, stopped]).finally(() => stopping.removeEventListener('abort', stop));
};

/** What was another vault before matters as long as machines are bound to it. */
export const forgetPrevious = (identities: Pick<VaultIdentities, 'forgetBut'>, assignments: Assignments): void =>
  identities.forgetBut(neededVaults(assignments));
