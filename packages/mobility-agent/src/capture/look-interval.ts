/** Bytes of events a processor makes in a millisecond at most. */
const FASTEST = 40 * 1024;
/** Part of a ring that may fill between two looks: a program is held up now and then. */
const PART = 1 / 8;
const [SHORTEST, LONGEST] = [10, 50];

/** Milliseconds between looks at rings of so many bytes each: the more there is to take the less each event costs, but no ring may fill. */
export const lookInterval = (ringBytes: number): number => Math.min(LONGEST, Math.max(SHORTEST, (ringBytes * PART) / FASTEST));
