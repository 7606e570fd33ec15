import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { parse } from 'yaml';

/** What a store costs. */
export interface PriceTable {
  readonly currency: string;
  /** For a GB (10^9 bytes) kept for a month. */
  readonly storageGBMonth: number;
  /** The same in cooler tiers. */
  readonly coolGBMonth: number;
  readonly coldGBMonth: number;
  readonly archiveGBMonth: number;
  /** For 10,000 requests that create or list, and that read. */
  readonly writes10k: number;
  readonly reads10k: number;
  /** For a GB read out of the region. */
  readonly egressGB: number;
  /** For a GB read out of a cooler tier, beside that. */
  readonly coolReadGB: number;
  readonly coldReadGB: number;
}

/** Roughly Azure Blob Storage, hot, locally redundant, in a large region: no offer of anybody, and out of date one day. docs/cli.md, "vault stats". */
export const DEFAULT_PRICES: PriceTable = {
  currency: 'USD',
  storageGBMonth: 0.0184,
  coolGBMonth: 0.01,
  coldGBMonth: 0.0036,
  archiveGBMonth: 0.001,
  writes10k: 0.05,
  reads10k: 0.004,
  egressGB: 0.087,
  coolReadGB: 0.01,
  coldReadGB: 0.03,
};

const NUMBERS = (Object.keys(DEFAULT_PRICES) as (keyof PriceTable)[]).filter((name) => name !== 'currency');

/** A table out of a YAML or JSON file; what it leaves out is as in the default. Errors: SETTING_INVALID, SETTING_UNKNOWN, OBJECT_NOT_FOUND. */
export const readPrices = async (path: string): Promise<PriceTable> => {
  const text = await readFile(path, 'utf8').catch((reason: unknown) => {
    throw fromSystem(reason, path);
  });
  let table: unknown;
  try {
    table = parse(text);
  } catch (cause) {
    throw invalid(path, 'it is neither YAML nor JSON', cause);
  }
  if (typeof table !== 'object' || table === null || Array.isArray(table)) throw invalid(path, 'it holds no table');
  for (const [name, value] of Object.entries(table)) {
    if (name === 'currency' ? typeof value !== 'string' : !(NUMBERS as readonly string[]).includes(name))
      throw invalid(path, `there is no price called ${name}`);
    if (name !== 'currency' && !(typeof value === 'number' && value >= 0)) throw invalid(path, `${name} is no price`);
  }
  return { ...DEFAULT_PRICES, ...(table as Partial<PriceTable>) };
};

const invalid = (path: string, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError('SETTING_INVALID', {
    thing: path,
    why,
    remedy: `give some of currency, ${NUMBERS.join(', ')}, one a line`,
    cause,
  });
