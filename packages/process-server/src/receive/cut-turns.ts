import { interrupted } from '../upload/interrupted.ts';

/**
 * Who may be in the middle of a cut. Everybody at the same time, as a rule. But where the beginnings of cuts have filled the journal once, so that none
 * could end, they come one at a time until there is room and nobody waits: then every cut that the journal can hold comes through.
 */
export interface CutTurns {
  /** One at a time from now on; nobody may be in the middle of a cut. */
  narrow(): void;
  /** Resolves when a cut may begin, with what ends the turn, or rejects with the reason of the signal. */
  enter(signal: AbortSignal): Promise<() => void>;
  /** To be called while there is room: everybody again, when that was long enough and nobody waits. */
  widen(): void;
  readonly isNarrow: boolean;
}

/** Milliseconds it stays narrow at least: those that were stopped have to come back first. */
const LEAST = 5 * 60_000;

export const createCutTurns = (now: () => number = () => performance.now()): CutTurns => {
  let narrow = false;
  let since = 0;
  let taken = false;
  const waiting = new Set<() => void>();

  const next = (): void => {
    const [first] = waiting;
    if (taken || first === undefined) return;
    waiting.delete(first);
    taken = true;
    first();
  };

  const turn = (): (() => void) => {
    let over = false;
    return () => {
      if (over) return;
      over = true;
      taken = false;
      next();
    };
  };

  return {
    narrow() {
      narrow = true;
      since = now();
    },
    async enter(signal) {
      if (!narrow) return () => undefined;
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        const leave = (): void => {
          waiting.delete(go);
          reject(signal.reason ?? interrupted('a cut', 'its stream ended before its turn came'));
        };
        signal.addEventListener('abort', leave, { once: true });
        waiting.add(go);
        next();
      });
      return turn();
    },
    widen() {
      if (!taken && waiting.size === 0 && now() - since >= LEAST) narrow = false;
    },
    get isNarrow() {
      return narrow;
    },
  };
};
