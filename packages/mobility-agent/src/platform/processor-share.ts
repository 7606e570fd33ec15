import { createProcessorDemand, type ProcessorDemand } from './processor-demand.ts';
import { givenProcessors, keepTo, processorsAreShared } from './processors.ts';

/** Milliseconds between two looks at what is needed. */
const EVERY = 1000;
/** Looks in turn at which the share was too small, each for itself, before all processors are taken. */
const BUSY_LOOKS = 3;
/** Part of the share that counts as all of it: between a wish and its measure lies the kernel's bookkeeping. */
const BUSY = 0.9;
/** Looks over which less than this part of the share must have been needed on average before it is enough again. */
const CALM_LOOKS = 10;
const CALM = 0.5;

/** Says whether a share of so many processors is enough, by what was needed since the last look; all are needed at first. */
export const createShareJudge = (processors: number): ((demand: number) => boolean) => {
  let isEnough = false;
  let looks: number[] = [];
  return (demand) => {
    looks.push(demand);
    if (isEnough) {
      looks = looks.slice(-BUSY_LOOKS);
      if (looks.length < BUSY_LOOKS || looks.some((look) => look < processors * BUSY)) return isEnough;
    } else {
      looks = looks.slice(-CALM_LOOKS);
      const sum = looks.reduce((total, look) => total + look, 0);
      if (looks.length < CALM_LOOKS || sum >= CALM_LOOKS * processors * CALM) return isEnough;
    }
    isEnough = !isEnough;
    looks = [];
    return isEnough;
  };
};

export interface ProcessorShareOptions {
  readonly every?: number;
  readonly demand?: ProcessorDemand;
}

export interface ProcessorShare {
  /** Takes all processors at once, whatever is needed, until what it gives is called and everybody else who asked has called theirs. */
  widen(): () => void;
}

/**
 * Leaves half of the machine's processors alone, unless this process needs more for longer than a cut takes: whoever works on the machine then always
 * finds a processor without a thread of ours on it. The kernel's scheduler alone does not do that: a thread of the lowest priority in a system call keeps
 * its processor until it has ended. Nothing happens where processors are set apart, where there is only one, or where the kernel does not tell what threads need.
 */
export const leaveProcessors = ({ every = EVERY, demand = createProcessorDemand() }: ProcessorShareOptions = {}): ProcessorShare => {
  if (process.platform !== 'linux' || !processorsAreShared()) return { widen: () => () => undefined };
  const shareOf = (processors: readonly number[]): readonly number[] => processors.slice(Math.floor(processors.length / 2));
  const leases = new Set<symbol>();
  let given = givenProcessors();
  let judge = createShareJudge(shareOf(given).length);
  let isEnough = false;
  let isKept = false;
  const settle = (): void => {
    const keep = isEnough && leases.size === 0;
    if (keep === isKept) return;
    keepTo(keep ? shareOf(given) : undefined);
    isKept = keep;
  };
  const look = (): void => {
    const needed = demand();
    // What is needed while all processors are taken says nothing of the time after it.
    if (leases.size > 0) return;
    const processors = givenProcessors();
    if (processors.length !== given.length) {
      given = processors;
      judge = createShareJudge(shareOf(given).length);
    }
    isEnough = needed !== undefined && given.length > 1 && judge(needed);
    settle();
  };
  setInterval(look, every).unref();
  return {
    widen() {
      const lease = Symbol('lease');
      leases.add(lease);
      settle();
      return () => {
        leases.delete(lease);
        settle();
      };
    },
  };
};
