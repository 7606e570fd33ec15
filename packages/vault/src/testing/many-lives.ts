// What a campaign plays: as many random lives as it is told, of those that a seed names.
import fc from 'fast-check';
import { type Life, lives, liveThrough, type Step, troubledLives } from './model.ts';

export interface LivesWanted {
  readonly seed: number;
  readonly count: number;
  /** True: most of what happens is a crash, a fault, a second writer, a keeper, a change of keys. */
  readonly troubled: boolean;
}

export interface LivesLived {
  readonly lives: number;
  /** Points of theirs, each compared again and again, byte by byte. */
  readonly points: number;
  /** What was wrong, with the smallest life in which it is. */
  readonly wrong: string | undefined;
}

type LiveThrough = (steps: readonly Step[], segmentSize: number, checkpointSlots: number) => Promise<Pick<Life, 'points'>>;

/** Plays lives until one is wrong, which is made smaller then. `live` for tests. */
export const liveMany = async ({ seed, count, troubled }: LivesWanted, live: LiveThrough = liveThrough): Promise<LivesLived> => {
  let lived = 0;
  let points = 0;
  const property = fc.asyncProperty(troubled ? troubledLives : lives, async (life) => {
    points += (await live(...life)).points;
    lived += 1;
  });
  const found = await fc.check(property, { seed, numRuns: count, endOnFailure: false });
  if (!found.failed) return { lives: lived, points, wrong: undefined };
  const { errorInstance } = found;
  const why = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
  return { lives: lived, points, wrong: `${fc.defaultReportMessage(found)}\n${why}` };
};
