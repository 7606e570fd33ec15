import { type HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type Clock, systemClock } from './clock.ts';
import type { MachineHistory } from './history.ts';
import { holdAlso, holdMachine, releaseHold } from './hold.ts';
import { readMachine } from './read-machine.ts';
import type { Vault } from './vault.ts';

export interface LeaseOptions {
  /** Points that are in use. */
  readonly points: readonly string[];
  /** For people. */
  readonly reason: string;
  /** Milliseconds without renewal after which it ends by itself, an hour unless told. */
  readonly lasts?: number;
  readonly clock?: Clock;
  /** Told when it could not be renewed in time to be sure that it goes on. It is tried again and again. */
  onTrouble?(reason: HoldfastError): void;
}

/** What somebody reads, kept from being thinned and deleted for as long as they go on. */
export interface Lease {
  /** The machine as it was when the lease took effect: all of this stays. */
  readonly history: MachineHistory;
  /** False when this user's rights allow to read and nothing else: then nothing is held, and what is read may be deleted meanwhile. */
  readonly held: boolean;
  /** Ends it now. */
  close(): Promise<void>;
}

const LASTS = 3_600_000;
/** Attempts in the time that a lease lasts. */
const ATTEMPTS = 4;

type Settled = LeaseOptions & Required<Pick<LeaseOptions, 'lasts' | 'clock'>>;

class RenewedLease implements Lease {
  readonly history: MachineHistory;
  readonly held = true;
  readonly #options: Settled;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #id: string;

  constructor(id: string, history: MachineHistory, options: Settled) {
    this.#id = id;
    this.history = history;
    this.#options = options;
    this.#running = this.#renewForEver();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#release(this.#id);
  }

  async #renewForEver(): Promise<void> {
    const { lasts, clock, onTrouble } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; ; ) {
      await clock.sleep(lasts / ATTEMPTS, signal);
      if (signal.aborted) return;
      try {
        await this.#renew();
        failures = 0;
      } catch (reason) {
        failures += 1;
        if (failures === ATTEMPTS - 1 && isHoldfastError(reason)) onTrouble?.(reason);
      }
    }
  }

  /** A new hold before the old one ends, on the same version: what was held stays held without a gap. */
  async #renew(): Promise<void> {
    const id = await holdAlso(this.history, this.#options);
    const old = this.#id;
    this.#id = id;
    await this.#release(old);
  }

  /** Who may create and not delete leaves it to end by itself. */
  async #release(id: string): Promise<void> {
    const { vault, machine } = this.history;
    await releaseHold(vault, machine.id, id).catch(() => {});
  }
}

/**
 * Holds a machine for a reader, and goes on doing so until it is closed or the process ends. Who may only read reads without: `held` says so. Errors:
 * MACHINE_NOT_FOUND.
 */
export const leaseMachine = async (vault: Vault, machineId: string, options: LeaseOptions): Promise<Lease> => {
  const settled = { lasts: LASTS, clock: systemClock, ...options };
  try {
    const { id, history } = await holdMachine(vault, machineId, settled);
    return new RenewedLease(id, history, settled);
  } catch (reason) {
    if (!isHoldfastError(reason, 'NO_PERMISSION')) throw reason;
    return { history: await readMachine(vault, machineId), held: false, close: async () => {} };
  }
};
