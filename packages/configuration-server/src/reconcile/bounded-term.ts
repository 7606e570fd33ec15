/** How far the term of a machine may be above the highest one known: each start of a writer takes one. */
export const TERM_JUMP = 1_000_000;

/**
 * The term as a number when it can be believed, undefined when it cannot: from a term near the largest number no writer could ever take the
 * next one, so that a process server that lies, or whose credential was stolen, could end the replication of a machine for good.
 */
export const boundedTerm = (known: number, told: bigint): number | undefined =>
  told <= BigInt(known + TERM_JUMP) ? Number(told) : undefined;
