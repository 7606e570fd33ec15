import type { Convergence } from './rounds.ts';

/** Writes a second from which on it matters to whoever writes that the kernel tells of each as it is issued: two hundredths of a processor. */
export const BUSY = 50_000;
/** Part of those below which it does not; between the two all stays as it is. */
const CALM = 0.5;

/** Milliseconds between looks. */
export const LOOK_EVERY = 250;

/**
 * What a write costs while it is followed is paid where it is issued: half a microsecond, nothing at the rates of most machines and a seventh
 * of all at those of a disk in memory. Whoever reads a disk for a cut has to know of writes that begin; for the dirty set
 * their ends are enough. So on a busy machine the kernel tells of issues only from the first read of a cut until it is published.
 */
export interface Silence {
  /** To be called now and then; `reads`: a cut or a copy has read something that is not published yet. */
  look(reads: boolean): void;
}

/** `busy`: writes a second; `now`: milliseconds. */
export const createSilence = (
  convergence: Pick<Convergence, 'requests' | 'silenceIssues' | 'tellIssues'>,
  busy = BUSY,
  now: () => number = () => performance.now(),
): Silence => {
  let [time, requests] = [now(), convergence.requests];
  return {
    look: (reads) => {
      const [before, known] = [time, requests];
      [time, requests] = [now(), convergence.requests];
      const rate = ((requests - known) * 1000) / Math.max(1, time - before);
      if (rate < busy * CALM) convergence.tellIssues();
      else if (rate >= busy && !reads) convergence.silenceIssues();
    },
  };
};
