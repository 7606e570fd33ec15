import type { Health } from '../health/health.ts';
import type { Log } from '../log/log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Schema, Values } from '../settings/setting.ts';
import type { Command } from './command.ts';
import type { CommonSchema } from './common-settings.ts';

/** What `main` gets. */
export interface ProgramContext<S extends Schema = Schema> {
  readonly name: string;
  readonly version: string;
  /** The program's own settings and the common ones (`state`, `log`, `http`, `stop`). */
  readonly settings: Values<S & CommonSchema>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly health: Health;
  /** Aborted as soon as the program is told to stop; its reason says why. */
  readonly stopping: AbortSignal;
  /** An existing directory of this program alone, mode 0700, locked against a second instance. */
  readonly stateDirectory: string;
  /** Names something to close at the stop; closed in reverse order of naming, one after another, within the deadline `stop.deadline`. */
  onStop(name: string, close: () => void | Promise<void>): void;
  /**
   * Runs work of the program's whole life. It must end soon after `stopping` aborts; the stop waits for it before anything is closed.
   * When it fails, the program stops in order and ends with the exit status of its error.
   */
  run(name: string, work: (stopping: AbortSignal) => Promise<void>): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** Stops the program in order, with exit status 0; with an error its exit status. */
  stop(reason: string | Error): void;
}

/** A long-running program. */
export interface Program<S extends Schema = Schema> {
  /** As it is called on the command line: "holdfast-agent". */
  readonly name: string;
  /** What it is for, in one sentence: the first line of --help. */
  readonly summary: string;
  readonly version: string;
  readonly settings: S;
  /** Default port of /healthz and /metrics on 127.0.0.1. */
  readonly httpPort: number;
  /** What it can do beside, by names of one or two words: { join: …, 'hrl inspect': … } is `holdfast-agent join …`. */
  readonly commands?: Readonly<Record<string, Command<S>>>;
  /** Starts everything and resolves when the program does its work: then systemd is told READY. A rejection ends the program. */
  main(context: ProgramContext<S>): Promise<void>;
}
