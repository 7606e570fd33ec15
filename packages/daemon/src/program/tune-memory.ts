import v8 from 'node:v8';

/** The first version of Node whose V8 has the flag. */
const SINCE = 24;

/**
 * Lets the collector judge buffers, whose bytes lie outside its heap, as part of all memory. Unless told so it goes through the whole heap whenever 64 MiB
 * of them came, however large the heap is: a program that carries a gigabyte from one place to another in a dozen buffers for each of its bytes did so 200
 * times, and spent more than half of its time on that. To be called once, early.
 */
export const tuneMemory = (): void => {
  if (Number.parseInt(process.versions.node, 10) >= SINCE) v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
};
