import type { ToolGroup } from '../setup/machine-tools.ts';
import type { Row } from './row.ts';

export interface BenchContext {
  /** How many pairs to measure. */
  readonly pairs: number;
  /** A directory, removed afterwards. */
  readonly directory: string;
  /** False for a part that was not asked for. */
  wants(part: string): boolean;
  /** Says what is going on, for people who wait. */
  note(line: string): void;
}

/** A file of `benches/` exports one of these as `bench`; its name is that of the file. */
export interface Bench {
  readonly name: string;
  /** What is measured against what, in one line. */
  readonly about: string;
  /** What can be measured by itself. */
  readonly parts?: readonly string[];
  /** What must be on the machine. */
  readonly tools: readonly ToolGroup[];
  run(context: BenchContext): Promise<Row[]>;
}
