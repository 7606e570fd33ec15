import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultIdentities } from '../upload/vault-identities.ts';
import type { Vaults } from '../upload/vaults.ts';
import type { Assignments } from './assignments.ts';

/** Milliseconds between two looks: one request to each vault. */
const EVERY = 60_000;
/** The same while one of them could not be opened. */
const SOON = 10_000;

/** The vaults that machines here are bound to: by id, or by the name that an earlier configuration server knows. */
export const neededVaults = ({ machines }: Assignments): ReadonlySet<string> => new Set([...machines.values()].map(({ vault }) => vault));

/** Looks after the vaults of the settings until `stopping` aborts: opens all of them, so that it is known which ones they are, and asks whether they answer. */
export const keepVaults = async (
  vaults: Pick<Vaults, 'look' | 'standings'>,
  onLooked: () => void,
  stopping: AbortSignal,
): Promise<void> => {
  let told = '';
  while (!stopping.aborted) {
    await Promise.race([vaults.look(), new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }))]);
    const standings = vaults.standings();
    const words = JSON.stringify(standings.map(({ id, place, problem, previous }) => [id, place, problem?.message, previous]));
    if (words !== told && !stopping.aborted) onLooked();
    told = words;
    const isWell = standings.every(({ isOpen, problem }) => isOpen && problem === undefined);
    await sleep(isWell ? EVERY : SOON, undefined, { signal: stopping }).catch(() => undefined);
  }
};

/** What was another vault before matters as long as machines are bound to it. */
export const forgetPrevious = (identities: Pick<VaultIdentities, 'forgetBut'>, assignments: Assignments): void =>
  identities.forgetBut(neededVaults(assignments));
