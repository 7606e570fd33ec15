// What a campaign plays: as many vaults with wrong contents as it is told, of those that a seed names.
import fc from 'fast-check';
import { type Forgeable, forgeries, makeForgeable, useForged } from './forgeable.ts';

export interface ForgeriesWanted {
  readonly seed: number;
  readonly count: number;
}

export interface ForgeriesUsed {
  readonly vaults: number;
  /** Of these something was refused. */
  readonly refused: number;
  /** What came out otherwise, with the fewest changes that do it. */
  readonly wrong: string | undefined;
}

let forgeable: Promise<Forgeable> | undefined;

/** Uses such vaults until one is not refused by name. */
export const useForgeries = async ({ seed, count }: ForgeriesWanted): Promise<ForgeriesUsed> => {
  forgeable ??= makeForgeable();
  const base = await forgeable;
  let vaults = 0;
  let refused = 0;
  const property = fc.asyncProperty(forgeries, async (changes) => {
    const refusals = await useForged(base, changes);
    vaults += 1;
    if (refusals.length > 0) refused += 1;
  });
  const found = await fc.check(property, { seed, numRuns: count, endOnFailure: false });
  if (!found.failed) return { vaults, refused, wrong: undefined };
  const { errorInstance } = found;
  return {
    vaults,
    refused,
    wrong: `${fc.defaultReportMessage(found)}\n${errorInstance instanceof Error ? errorInstance.stack : errorInstance}`,
  };
};
