import type { LabOptions } from './options.ts';
import type { Screen } from './output/screen.ts';
import type { Recorder } from './record/run-record.ts';

/** What every part of a run works with. */
export interface RunContext {
  readonly options: LabOptions;
  readonly screen: Screen;
  /** What is made is recorded here first; its directory takes all files. */
  readonly recorder: Recorder;
  /** Ends the run wherever it is: Ctrl-C. */
  readonly signal: AbortSignal;
}
