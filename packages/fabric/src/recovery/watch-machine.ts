import { setTimeout as wait } from 'node:timers/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Fabric, PauseReason } from '../fabric.ts';
import { isLasting } from './patient-device.ts';

export interface WatchOptions {
  readonly fabric: Fabric;
  readonly operationId: string;
  /** Once for each trouble. */
  readonly onTrouble: (error: HoldfastError) => void;
  /** Called when all of its disks are copied, whoever asked for that. */
  readonly onHydrated: () => Promise<void>;
  /** Called whenever it is seen off. */
  readonly onOff?: () => Promise<void>;
  /** Switches it on again after this host ended what ran it, when it is meant to be on. */
  readonly revival?: { isWanted(): boolean; start(): Promise<void> };
  /** For tests; ends early, without an error, when the signal is aborted. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const POLL_MILLISECONDS = 1_000;
/** Between attempts to go on: each of them takes as long as a read may take. */
const LONGEST_WAIT_MILLISECONDS = 10_000;
/** A machine that was let go on may run for so long before the same read fails again: a read takes 12 s at most, and a server is waited for 5 s. */
const CALM_MILLISECONDS = 20_000;

/** Where memory is short for good, starting it again and again would take down others. */
const MOST_REVIVALS = 3;

export interface Watch {
  /** What keeps the machine paused. */
  readonly trouble: HoldfastError | undefined;
  /** A read that failed, and a way to try once more, without the machine, whatever failed on its disk: the same way for all of it. */
  noteFailure(error: HoldfastError, again: () => Promise<void>): void;
  /** What lasted is tried again. */
  forget(): void;
  stop(): Promise<void>;
}

const sleepReally = (milliseconds: number, signal: AbortSignal): Promise<void> => wait(milliseconds, undefined, { signal }).catch(() => {});

class MachineWatch implements Watch {
  trouble: HoldfastError | undefined;
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #failure: HoldfastError | undefined;
  readonly #again = new Set<() => Promise<void>>();
  /** Milliseconds for which it was seen running. */
  #calm = 0;
  #revivals = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#running = this.#watch();
  }

  noteFailure(error: HoldfastError, again: () => Promise<void>): void {
    this.#again.add(again);
    // A lasting one counts more than the silence of others.
    if (this.#failure === undefined || !isLasting(this.#failure)) this.#failure = error;
  }

  forget(): void {
    this.#failure = undefined;
    this.#revivals = 0;
    this.#again.clear();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const { sleep = sleepReally } = this.#options;
    for (let pause = POLL_MILLISECONDS; !signal.aborted; ) {
      await sleep(pause, signal);
      if (signal.aborted) return;
      pause = await this.#look(pause).catch((reason: unknown) => {
        this.#tell(fromSystem(reason, 'recovered machine'));
        return LONGEST_WAIT_MILLISECONDS;
      });
    }
  }

  /** Looks once, and resumes what may go on; resolves to the milliseconds until the next look. */
  async #look(waited: number): Promise<number> {
    const { fabric, operationId, onHydrated, onOff, revival } = this.#options;
    const status = await fabric.status(operationId);
    if (status !== undefined && status.disks.length > 0 && status.disks.every(({ hydrated }) => hydrated)) await onHydrated();
    if (status?.killed && revival?.isWanted()) return this.#revive(revival);
    if (status?.state === 'off') await onOff?.();
    const pause = status?.pause;
    if (pause !== 'io' && pause !== 'space') {
      this.#calm += waited;
      if (this.#calm < CALM_MILLISECONDS) return POLL_MILLISECONDS;
      // Over. What failed for a copy in the background is that one's concern.
      this.trouble = undefined;
      if (this.#failure !== undefined && !isLasting(this.#failure)) this.#failure = undefined;
      return POLL_MILLISECONDS;
    }
    this.#calm = 0;
    const trouble = this.#reason(pause);
    this.#tell(trouble);
    // It stays paused until somebody asks for another try.
    if (isLasting(trouble)) return POLL_MILLISECONDS;
    const next = Math.min(waited * 2, LONGEST_WAIT_MILLISECONDS);
    // Its clocks run while it waits: one that is let go on for every attempt would give up on its disk in the end.
    if (pause === 'io' && !(await this.#isReadable())) return next;
    await fabric.resume(operationId);
    return next;
  }

  /** On again, unless it was ended too often: then it stays off, and that is told as long as it is. */
  async #revive(revival: NonNullable<WatchOptions['revival']>): Promise<number> {
    this.#calm = 0;
    const mayStart = this.#revivals < MOST_REVIVALS;
    this.#tell(
      new HoldfastError('FABRIC_FAILED', {
        thing: 'recovered machine',
        why: `this host ended its process, for want of memory perhaps; ${mayStart ? 'it is switched on again' : 'it is off'}`,
        remedy: 'see the kernel log of this host (`journalctl --dmesg`), and give it more memory or fewer machines',
      }),
    );
    if (!mayStart) return LONGEST_WAIT_MILLISECONDS;
    this.#revivals += 1;
    await revival.start();
    return POLL_MILLISECONDS;
  }

  /** Whether all that failed can be read: a machine that waits for several reads would pay for each that is still too late with its patience. */
  async #isReadable(): Promise<boolean> {
    try {
      for (const again of this.#again) {
        await again();
        this.#again.delete(again);
      }
      return true;
    } catch {
      return false;
    }
  }

  #reason(pause: PauseReason): HoldfastError {
    if (pause === 'space')
      return new HoldfastError('NO_SPACE', {
        thing: 'host of the recovered machine',
        why: 'there is no room for what the machine writes; it is paused',
        remedy: 'free space: it goes on by itself',
      });
    return (
      this.#failure ??
      new HoldfastError('STORE_UNAVAILABLE', {
        thing: 'disk of the recovered machine',
        why: 'it could not be read or written; the machine is paused',
        remedy: 'it goes on by itself when that is over',
      })
    );
  }

  #tell(error: HoldfastError): void {
    const known = this.trouble;
    this.trouble = error;
    if (known?.code !== error.code) this.#options.onTrouble(error);
  }
}

/** Looks after a machine: whatever paused it without being asked is tried again until it goes on. */
export const watchMachine = (options: WatchOptions): Watch => new MachineWatch(options);
