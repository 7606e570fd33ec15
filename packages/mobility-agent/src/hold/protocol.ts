import type { HeldFilesystem } from './choose-filesystems.ts';
import type { ThrottleStep } from './throttle.ts';
import type { ScriptCall } from './undo-log.ts';
import type { LogicalVolume } from './volume-snapshot.ts';

/** What the agent says to the watchdog of a hold, one line of JSON each; the watchdog answers each with a line. */
export type WatchdogOrder =
  /** First: where to note what is to be undone. */
  | { readonly order: 'open'; readonly log: string }
  /** Runs the scripts with `pre`, in order. `limit`: milliseconds after which all is let go. */
  | { readonly order: 'scripts'; readonly calls: readonly ScriptCall[]; readonly runDirectory: string; readonly limit: number }
  /** Writes out what is in memory, while writers go on. */
  | { readonly order: 'flush'; readonly filesystems: readonly HeldFilesystem[] }
  | { readonly order: 'freeze'; readonly filesystems: readonly HeldFilesystem[]; readonly limit: number }
  | { readonly order: 'throttle'; readonly steps: readonly ThrottleStep[]; readonly limit: number }
  /** Makes a snapshot, which is there until the end. `tag` tells whose it is. */
  | { readonly order: 'snapshot'; readonly volume: LogicalVolume; readonly tag: string }
  /** Lets everything go and tells how it was; then the watchdog ends. */
  | { readonly order: 'end' };

/** How a hold was, told once it is over. */
export interface HoldReport {
  /** Why it was not in force from when it was answered until it was ended; absent when it was. */
  readonly broken?: string;
  /** Mount points that were frozen. */
  readonly frozen: readonly string[];
  /** Those that were not, but on whose disks nothing was written between their flush and the end. */
  readonly still: readonly string[];
  /** The others, and why each was not frozen. */
  readonly moving: readonly { readonly mountPoint: string; readonly why: string }[];
  /** Milliseconds from the first freeze until everything was thawed. */
  readonly frozenFor: number;
  /** What went wrong while it was taken back: a `post` that failed. */
  readonly problems: readonly string[];
}

export interface WatchdogAnswer {
  readonly failed?: { readonly code: string; readonly thing: string; readonly why: string; readonly remedy: string };
  /** To `snapshot`: its path. */
  readonly path?: string;
  /** To `end`. */
  readonly report?: HoldReport;
}
