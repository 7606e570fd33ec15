import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import type { WriterHold } from './capture.ts';
import type { Convergence, RoundDisk } from './rounds.ts';

/** Rounds that read something, and milliseconds, after which a cut is given up. */
export interface ConvergeLimits {
  readonly rounds: number;
  readonly milliseconds: number;
}

export interface ConvergeOptions {
  readonly convergence: Convergence;
  readonly disks: readonly RoundDisk[];
  readonly limits?: ConvergeLimits;
  /** Waits for writes under way to end, between rounds; a millisecond unless told. */
  pause?(): Promise<void>;
  readonly hold?: WriterHold | undefined;
}

const LIMITS: ConvergeLimits = { rounds: 200, milliseconds: 20_000 };
/** Where writers may be held, rounds without that are tried for less long: they seldom converge later what they do not soon. */
const LIMITS_BEFORE_HOLD: ConvergeLimits = { rounds: 40, milliseconds: 2_000 };

export interface Converged {
  readonly rounds: number;
  /** See `Proposal`. */
  readonly held: boolean;
}

interface Attempt {
  readonly rounds: number;
  /** Why it is not exact; undefined when it is. */
  readonly reason: string | undefined;
}

export const notConverged = (rounds: number, reason: string): HoldfastError =>
  new HoldfastError('CAPTURE_NOT_CONVERGED', {
    thing: 'cut',
    why: `after ${rounds} rounds ${reason}`,
    remedy: 'the changes go into the next cut; lower the write load or allow holding writes if this persists',
  });

const tryRounds = async ({ convergence, disks, pause = () => sleep(1) }: ConvergeOptions, limits: ConvergeLimits): Promise<Attempt> => {
  const deadline = Date.now() + limits.milliseconds;
  for (let rounds = 1; ; rounds += 1) {
    const result = await convergence.round(disks);
    if (result.exact) return { rounds, reason: undefined };
    if (rounds >= limits.rounds || Date.now() > deadline) return { rounds, reason: result.reason };
    if (result.read > 0) continue;
    // Nothing was left to read: what is in doubt is a write under way. Rounds without a pause would be over before it is.
    rounds -= 1;
    await pause();
  }
};

/** The steps of the hold with rounds after each; undefined when a step failed: then nothing is held any more. */
const tryHeld = async (options: ConvergeOptions, hold: WriterHold): Promise<(Converged & Attempt) | undefined> => {
  let attempt: Attempt | undefined;
  let taken = 0;
  let inForce = false;
  try {
    for (const step of hold.steps) {
      // Whoever made the steps knows why one fails.
      const isTaken = await step().then(
        () => true,
        () => false,
      );
      attempt = isTaken ? await tryRounds(options, options.limits ?? { rounds: LIMITS.rounds, milliseconds: hold.patience }) : undefined;
      if (attempt === undefined) break;
      taken += 1;
      if (!hold.always && attempt.reason === undefined) break;
    }
  } finally {
    inForce = await hold.end();
  }
  return attempt === undefined ? undefined : { ...attempt, held: inForce && taken === hold.steps.length };
};

/** A cut out of a snapshot; undefined when there is none to be had. */
const trySnapshot = async ({ convergence, disks: [disk, ...others] }: ConvergeOptions, hold: WriterHold): Promise<Attempt | undefined> => {
  const { snapshot } = hold;
  if (snapshot === undefined || disk === undefined || others.length > 0) return undefined;
  let failure: unknown;
  const take = (): ReturnType<typeof snapshot> =>
    snapshot().catch((reason: unknown) => {
      failure = reason;
      throw reason;
    });
  try {
    const result = await convergence.snapshotRound(disk, take);
    return { rounds: 1, reason: result.exact ? undefined : result.reason };
  } catch (reason) {
    // Whoever makes snapshots knows why there is none.
    if (reason === failure) return undefined;
    throw reason;
  } finally {
    await hold.end();
  }
};

/** Rounds until all disks are exact at one instant, with writers held still where that is wanted. Throws CAPTURE_NOT_CONVERGED. */
export const converge = async (options: ConvergeOptions): Promise<Converged> => {
  const { hold, limits } = options;
  let attempt = await tryRounds(options, limits ?? (hold === undefined ? LIMITS : LIMITS_BEFORE_HOLD));
  if (hold?.snapshot !== undefined && attempt.reason !== undefined) {
    attempt = (await trySnapshot(options, hold)) ?? (await tryRounds(options, limits ?? LIMITS));
  } else if (hold !== undefined && (hold.always || attempt.reason !== undefined)) {
    const held = await tryHeld(options, hold);
    if (held !== undefined && held.reason === undefined) return { rounds: held.rounds, held: held.held };
    attempt = held ?? (await tryRounds(options, limits ?? LIMITS));
  }
  if (attempt.reason !== undefined) throw notConverged(attempt.rounds, attempt.reason);
  return { rounds: attempt.rounds, held: false };
};
