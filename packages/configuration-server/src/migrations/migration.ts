import type { StateStore } from '../state/state-store.ts';

/** Brings a state that an earlier version wrote into the form of the next. */
export interface Migration {
  /** What is there when it has been done, for people. */
  readonly about: string;
  /** May be killed at any moment, and is begun anew then: what is done already must do no harm. Gives the number of records it changed. */
  run(store: StateStore): Promise<number>;
}
