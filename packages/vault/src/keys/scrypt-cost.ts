/** Cost of turning a passphrase into a key (RFC 7914): memory is 128 × 2^logN × r bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** 128 MiB and about half a second. */
export const DEFAULT_COST: ScryptCost = { logN: 17, r: 8, p: 1 };

/** A slot comes from outside: less would be a weak vault, more an attack on the memory of whoever opens it. */
const BOUNDS = { logN: [14, 20], r: [8, 16], p: [1, 16] } as const;
const MEMORY_CEILING = 1024 ** 3;
const NAMES = { logN: 'log2 of N', r: 'r', p: 'p' } as const;

export const memoryOf = ({ logN, r }: ScryptCost): number => 128 * 2 ** logN * r;

/** What is wrong with a cost, `undefined` when it is within bounds. */
export const explainCost = (cost: ScryptCost): string | undefined => {
  for (const field of ['logN', 'r', 'p'] as const) {
    const [least, most] = BOUNDS[field];
    const value = cost[field];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    const judgement =
      value < least ? 'too weak: whoever has the vault could try passphrases cheaply' : 'more than any honest vault asks for';
    return `its scrypt cost ${NAMES[field]} = ${value} is ${judgement} (${least} to ${most})`;
  }
  if (memoryOf(cost) <= MEMORY_CEILING) return undefined;
  return `its scrypt cost N = 2^${cost.logN}, r = ${cost.r} takes ${memoryOf(cost) / 1024 ** 2} MiB of memory (at most ${MEMORY_CEILING / 1024 ** 2})`;
};
