import type { Duplex } from 'node:stream';
import type { MachineShape } from './machine-shape.ts';

/** One thing that was looked at before a machine is made. */
export interface FabricFinding {
  /** Stable, for programs: `qemu`, `acceleration`, `uefi`, `memory`, `space`, `bridge` … */
  readonly name: string;
  /** `error`: a machine like the one wanted cannot be made. `warning`: it can, with what the message says. */
  readonly level: 'good' | 'warning' | 'error';
  /** For people: what was found. */
  readonly message: string;
  /** For people: what to do; only of what is not good. */
  readonly remedy?: string;
}

export interface MachineRequest {
  /** 32 hexadecimal digits: names the machine everywhere, and makes every call idempotent. */
  readonly operationId: string;
  /** For people. */
  readonly name: string;
  readonly shape: MachineShape;
}

/** `paused`: alive and standing still, `pause` says why. */
export type MachineState = 'off' | 'running' | 'paused';

/**
 * Why a machine stands still. `io`: a disk could not be read or written; nothing of that reached the machine, `resume` tries again. `space`: the host has no
 * room for what it writes. `asked`: somebody paused it. `starting`: held before its first instruction. `fault`: what runs it gave up.
 */
export type PauseReason = 'io' | 'space' | 'asked' | 'starting' | 'fault';

export interface MachineDiskStatus {
  readonly id: string;
  /** True when the fabric has all of it: its source is not read any more. Always true of files. */
  readonly hydrated: boolean;
  /** While it is hydrated: bytes looked at so far, out of `size`. */
  readonly hydrating?: number;
  readonly size: number;
  /** Room it takes on the host. */
  readonly stored: number;
}

export interface MachineStatus {
  readonly operationId: string;
  readonly name: string;
  readonly state: MachineState;
  readonly pause?: PauseReason;
  /** True of one that is off though neither its system nor anybody here switched it off: this host ended what ran it, for want of memory perhaps. */
  readonly killed?: boolean;
  /** Process of the machine, where there is such a thing. */
  readonly pid?: number;
  /** What runs it: `kvm`, `tcg` (emulated: ten times slower) … Of a machine that is on. */
  readonly acceleration?: string;
  readonly disks: readonly MachineDiskStatus[];
}

/** The serial console. */
export interface MachineConsole {
  /** A file with all that was printed since the machine was made. */
  readonly log: string;
  /** A file with what agents inside said through the port that recovered machines have for them (`RECOVERY_PORT`); undefined where there is no such port. */
  readonly agentLog?: string;
  /** Both ways, as long as the machine is on; one at a time, the next one waits. Errors: FABRIC_FAILED when it is off. */
  open(): Promise<Duplex>;
}

export interface HydrateOptions {
  /** Bytes looked at, of all disks together. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the waiting and the work; what was copied stays. */
  readonly signal?: AbortSignal;
}

/**
 * A place that runs machines. All it makes is tagged by the operation and found again, whoever made it and however that ended; machines outlive the
 * process that started them. Errors of all: FABRIC_FAILED (in the words of what runs the machine), RESOURCE_NOT_FOUND (no machine of this operation),
 * NO_SPACE, NO_PERMISSION, TOOL_MISSING.
 */
export interface Fabric {
  /** `qemu`, … */
  readonly kind: string;
  /** Looks whether such a machine can be made here, all in one go; touches nothing. */
  check(wanted?: MachineShape): Promise<FabricFinding[]>;
  /**
   * Makes a machine that is off. Made before by the same operation: nothing happens; a half-made one is completed. Errors: SETTING_INVALID (the shape; or
   * the operation made another one).
   */
  create(request: MachineRequest): Promise<void>;
  /** Switches it on, or does nothing when it is on. Resolves when it runs. Sources by NBD have to be served. */
  start(operationId: string): Promise<void>;
  /**
   * Switches it off; its disks stay. `orderly`: asks it to shut down (as the power button does) and waits, 60 s unless told, then switches off all the
   * same. Resolves to how it went off.
   */
  stop(operationId: string, options?: StopOptions): Promise<'orderly' | 'power cut'>;
  /** Lets a paused machine go on: what it waited for is tried again. Does nothing when it runs. */
  resume(operationId: string): Promise<void>;
  status(operationId: string): Promise<MachineStatus | undefined>;
  console(operationId: string): Promise<MachineConsole>;
  /** Writes what the machine's screen shows into a PNG file. Errors: FABRIC_FAILED when it is off. */
  screenshot(operationId: string, file: string): Promise<void>;
  /**
   * Copies all that its disks still read from their sources, beside what the machine does; one that is off stays off. Resolves when nothing is read
   * from there any more. May be called again after any end: what was copied is not copied again. Where the source fails, it waits and goes on.
   */
  hydrate(operationId: string, options?: HydrateOptions): Promise<void>;
  /** All machines of this fabric, half-made ones too. */
  list(): Promise<MachineStatus[]>;
  /** Switches it off as a power cut does and removes all that was made for it. Does nothing when there is none. */
  remove(operationId: string): Promise<void>;
}

export interface StopOptions {
  readonly how?: 'orderly' | 'power cut';
  readonly patienceMilliseconds?: number;
}
