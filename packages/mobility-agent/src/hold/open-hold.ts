import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import { onGivenProcessors } from '../platform/processors.ts';
import type { HeldFilesystem } from './choose-filesystems.ts';
import type { HoldReport, WatchdogAnswer, WatchdogOrder } from './protocol.ts';
import { releaseLeft } from './release-left.ts';
import type { ThrottleStep } from './throttle.ts';
import type { ScriptCall } from './undo-log.ts';
import type { LogicalVolume } from './volume-snapshot.ts';

/** Writers held still by a process of its own, which lets them go whatever becomes of this one. Everything rejects with HOLD_FAILED or SCRIPT_FAILED. */
export interface Hold {
  /** Asks applications to hold still, for at most `limit` milliseconds from then on. */
  scripts(calls: readonly ScriptCall[], runDirectory: string, limit: number): Promise<void>;
  /** Writes out what is in memory. */
  flush(filesystems: readonly HeldFilesystem[]): Promise<void>;
  /** Freezes them in this order, and holds them so for at most `limit` milliseconds from now. */
  freeze(filesystems: readonly HeldFilesystem[], limit: number): Promise<void>;
  throttle(steps: readonly ThrottleStep[], limit: number): Promise<void>;
  /** Makes a snapshot of a volume, that is there until the end, and gives its path. `tag`: those left of earlier holds with it are removed. */
  snapshot(volume: LogicalVolume, tag: string): Promise<string>;
  /** Lets everything go and tells how it was. Never rejects. */
  end(): Promise<HoldReport>;
}

export interface HoldOptions {
  /** The watchdog's program and arguments. */
  readonly watchdog: readonly string[];
  /** A file in memory that tells what to take back when watchdog and agent are both killed. */
  readonly log: string;
}

/** Milliseconds a watchdog may take for what needs no disk and no script, on the most busy machine. */
const PATIENCE = 10_000;
/** Milliseconds more that its start may take: nothing is held meanwhile. */
const START_PATIENCE = 50_000;
/** Milliseconds that making or removing a snapshot may take. */
const SNAPSHOT_PATIENCE = 120_000;

const failed = (why: string): HoldfastError =>
  new HoldfastError('HOLD_FAILED', {
    thing: 'watchdog of the hold',
    why,
    remedy: 'look at the log of the agent; the cut is made without it',
  });

const errorOf = ({ code, thing, why, remedy }: NonNullable<WatchdogAnswer['failed']>): HoldfastError =>
  new HoldfastError(Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'HOLD_FAILED', { thing, why, remedy });

class WatchdogProcess implements Hold {
  readonly #child;
  readonly #log: string;
  readonly #waiting: { resolve(answer: WatchdogAnswer): void; reject(reason: Error): void }[] = [];
  /** The process has ended and what it left, if anything, was taken back. */
  readonly #over: Promise<readonly string[]>;
  #ended: string | undefined;
  #latest: NodeJS.Timeout | undefined;
  /** Milliseconds that ending may take: the limits of the scripts, or for a snapshot. */
  #afterwards = 0;

  constructor({ watchdog, log }: HoldOptions) {
    const [program, ...args] = watchdog as readonly [string, ...string[]];
    this.#log = log;
    let said = '';
    this.#child = onGivenProcessors(() => spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true, cwd: '/' }));
    const { stdin, stdout, stderr } = this.#child;
    stdin.on('error', () => undefined);
    stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1000)));
    createInterface({ input: stdout }).on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line) as WatchdogAnswer));
    const exit = new Promise<string>((resolve) => {
      this.#child.once('error', (reason) => resolve(`it could not be started: ${reason.message}`));
      this.#child.once('exit', (status, signal) => resolve(`it ended with ${signal ?? `status ${status}`} ${said.trim()}`.trim()));
    });
    this.#over = exit.then(async (why) => {
      this.#ended = why;
      clearTimeout(this.#latest);
      for (const { reject } of this.#waiting.splice(0)) reject(failed(why));
      return (await releaseLeft(log))?.problems ?? [];
    });
    this.#over.catch(() => undefined);
  }

  open(): Promise<void> {
    this.#endBy(START_PATIENCE);
    return this.#order({ order: 'open', log: this.#log });
  }

  scripts(calls: readonly ScriptCall[], runDirectory: string, limit: number): Promise<void> {
    this.#afterwards = calls.reduce((sum, call) => sum + call.limit, 0);
    this.#endBy(this.#afterwards + limit);
    return this.#order({ order: 'scripts', calls, runDirectory, limit });
  }

  flush(filesystems: readonly HeldFilesystem[]): Promise<void> {
    return this.#order({ order: 'flush', filesystems });
  }

  freeze(filesystems: readonly HeldFilesystem[], limit: number): Promise<void> {
    this.#endBy(limit);
    return this.#order({ order: 'freeze', filesystems, limit });
  }

  throttle(steps: readonly ThrottleStep[], limit: number): Promise<void> {
    this.#endBy(limit);
    return this.#order({ order: 'throttle', steps, limit });
  }

  async snapshot(volume: LogicalVolume, tag: string): Promise<string> {
    // Making it, and removing it in the end.
    this.#afterwards = SNAPSHOT_PATIENCE;
    this.#endBy(0);
    const { path } = await this.#ask({ order: 'snapshot', volume, tag });
    // It may be read for as long as that takes.
    clearTimeout(this.#latest);
    return path!;
  }

  async end(): Promise<HoldReport> {
    this.#endBy(0);
    let report: HoldReport | undefined;
    let why = '';
    try {
      ({ report } = await this.#ask({ order: 'end' }));
    } catch (reason) {
      why = (reason as Error).message;
    }
    this.#child.stdin.end();
    const problems = await this.#over;
    return report ?? { broken: why, frozen: [], still: [], moving: [], frozenFor: 0, problems };
  }

  /** A watchdog that is stopped or stuck is ended, and what it holds is let go from here. */
  #endBy(milliseconds: number): void {
    clearTimeout(this.#latest);
    if (this.#ended !== undefined) return;
    this.#latest = setTimeout(() => this.#child.kill('SIGKILL'), milliseconds + this.#afterwards + PATIENCE);
  }

  async #order(order: WatchdogOrder): Promise<void> {
    await this.#ask(order);
  }

  async #ask(order: WatchdogOrder): Promise<WatchdogAnswer> {
    if (this.#ended !== undefined) throw failed(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<WatchdogAnswer>();
    this.#waiting.push({ resolve, reject });
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const answer = await promise;
    if (answer.failed !== undefined) throw errorOf(answer.failed);
    return answer;
  }
}

/** Starts a watchdog, after taking back what one before may have left. Rejects with HOLD_FAILED. */
export const openHold = async (options: HoldOptions): Promise<Hold> => {
  if ((await releaseLeft(options.log)) === undefined) throw failed('the one before is not over yet');
  const watchdog = new WatchdogProcess(options);
  try {
    await watchdog.open();
    return watchdog;
  } catch (reason) {
    await watchdog.end();
    throw reason;
  }
};
