import { isHoldfastError } from '@holdfast/errors';
import { openSenderMemory } from '../sender/sender-memory.ts';
import type { TraceSettings } from './machine-capture.ts';
import { hasMachineLog, type MachinePlaces, machineFiles, removeMachineLog } from './machine-log.ts';
import { type OpenMachine, type OpenMachineOptions, openMachine } from './open-machine.ts';
import { forgetTrace } from './open-trace-capture.ts';

/** What is kept of the protected machine on its own disks and in its kernel: its log, what the sender remembers, what is traced. */
export interface HeldMachine {
  /** Undefined while it is not open. */
  readonly current: OpenMachine | undefined;
  /** Directory of what its disks hold, block by block. */
  readonly digests: string;
  /** Bytes sent since the start of the program. */
  readonly sentBytes: number;
  /** Opens it unless it is open. */
  open(options: Omit<OpenMachineOptions, 'places'>): Promise<OpenMachine>;
  /** Everything that is not in the vault stays in the log. */
  close(): Promise<void>;
  /** Removes the log and what was traced. What is in the vault stays, and so does what was remembered of it. */
  forget(): Promise<void>;
  /** The same, for a machine that may go to another vault when it is protected again: of the old one only the term counts on. False when nothing was kept. */
  forgetVault(): Promise<boolean>;
}

class Held implements HeldMachine {
  readonly #places: MachinePlaces;
  readonly #trace: TraceSettings;
  #machine: OpenMachine | undefined;
  /** Of senders before the present one. */
  #sentBefore = 0;

  constructor(places: MachinePlaces, trace: TraceSettings) {
    this.#places = places;
    this.#trace = trace;
  }

  get current(): OpenMachine | undefined {
    return this.#machine;
  }

  get digests(): string {
    return machineFiles(this.#places).digests;
  }

  get sentBytes(): number {
    return this.#sentBefore + (this.#machine?.sender.status.sentBytes ?? 0);
  }

  async open(options: Omit<OpenMachineOptions, 'places'>): Promise<OpenMachine> {
    this.#machine ??= await openMachine({ ...options, places: this.#places });
    return this.#machine;
  }

  async close(): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined) return;
    await machine.sender.stop();
    this.#sentBefore += machine.sender.status.sentBytes;
    this.#machine = undefined;
    await machine.close();
  }

  async forget(): Promise<void> {
    await this.close();
    try {
      forgetTrace(this.#places.machineId, this.#trace);
    } catch (reason) {
      // Image files are protected where nothing can be traced.
      if (!isHoldfastError(reason, 'TRACEFS_UNAVAILABLE') && !isHoldfastError(reason, 'NO_PERMISSION')) throw reason;
    }
    await removeMachineLog(this.#places);
  }

  async forgetVault(): Promise<boolean> {
    if (!hasMachineLog(this.#places)) return false;
    await this.close();
    const memory = await openSenderMemory(machineFiles(this.#places).senderMemory);
    await memory.forgetVault();
    await this.forget();
    return true;
  }
}

export const createHeldMachine = (places: MachinePlaces, trace: TraceSettings): HeldMachine => new Held(places, trace);
