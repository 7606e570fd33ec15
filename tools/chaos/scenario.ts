import type { Random } from '../lab/random.ts';
import type { ToolGroup } from '../setup/machine-tools.ts';

/** Something that can happen to a world. `random` is this event's own: the same event of the same schedule does the same again. */
export interface Action {
  /** How often it is chosen, compared with the others of its kind. */
  readonly weight: number;
  run(random: Random): Promise<void>;
}

export interface Resync {
  /** Why the product says it was needed. */
  readonly reason: string;
  /** The fault that made it necessary; undefined = there was no need, or nobody knows why: that fails the run. */
  readonly explainedBy: string | undefined;
}

/** What a verification found. */
export interface Verdict {
  /** Recovery points that were compared with an oracle, all bytes of them. */
  readonly points: number;
  /** One line for each point that is not what it claims to be. */
  readonly wrong: readonly string[];
  /** One line for each thing that had been acknowledged and is gone. */
  readonly lost: readonly string[];
  /** Resynchronizations since the verification before. */
  readonly resyncs: readonly Resync[];
}

/** A running system under test, with its oracle. */
export interface World {
  /** Ordinary life: write, cut, seal, let time pass. */
  readonly steps: Readonly<Record<string, Action>>;
  /** What breaks. A fault leaves the system as the fault would; making it work again is the system's business, or another step's. */
  readonly faults: Readonly<Record<string, Action>>;
  /** Brings the system to rest and compares. It runs after every fault, and last. */
  verify(random: Random): Promise<Verdict>;
  /** Removes everything; called exactly once, whatever happened. */
  dispose(): Promise<void>;
}

export interface ScenarioContext {
  /** An empty directory, removed afterwards. */
  readonly directory: string;
  /** For what the set-up itself chooses. */
  readonly random: Random;
  /** Where the logs of all programs are to be put at the end; nowhere unless told. */
  readonly logs?: string | undefined;
  /** Says what is going on, for people who read the log of a failed run. */
  note(line: string): void;
}

/**
 * A file of `scenarios/` exports one of these as `scenario`; its name is that of the file. What it offers must not depend on time or
 * machine, else a seed does not name a schedule.
 */
export interface Scenario {
  readonly name: string;
  /** What lives and what breaks, in one line. */
  readonly about: string;
  /** What must be on the machine. */
  readonly tools: readonly ToolGroup[];
  /** Builds the world, or throws having removed what it made. */
  setup(context: ScenarioContext): Promise<World>;
}
