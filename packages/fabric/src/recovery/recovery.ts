import type { BlockDevice } from '@holdfast/block';
import type { HoldfastError } from '@holdfast/errors';
import type { Manifest } from '@holdfast/protocol';
import type { FrameCache, Vault } from '@holdfast/vault';
import type { Fabric, HydrateOptions, MachineConsole, MachineStatus, StopOptions } from '../fabric.ts';
import type { DiskController, MachineFirmware, NetworkAttachment, NetworkModel } from '../machine-shape.ts';

/** A disk of the point as boot adaptation gets it: what is written goes into a layer of its own, never into the vault. */
export interface AdaptableDisk {
  readonly id: string;
  /** Name at the source. */
  readonly name: string;
  /** Writable. Closed by whoever called. */
  readonly device: BlockDevice;
  /** The same by NBD, for programs that want to mount it; through a Unix socket, writable. */
  readonly uri: string;
}

export interface AdaptationRequest {
  /** Undefined: the point has none. */
  readonly manifest: Manifest | undefined;
  /** In the order of the machine. */
  readonly disks: readonly AdaptableDisk[];
  /** What the operator asked for; adaptation chooses where nothing was asked. */
  readonly controller: DiskController | undefined;
  readonly firmware: MachineFirmware;
  readonly network: NetworkAttachment;
  readonly signal: AbortSignal;
}

/** What adaptation decided about the hardware, and what it did, for the report. */
export interface Adaptation {
  readonly controller?: DiskController;
  readonly networkModel?: NetworkModel;
  /** Hardware addresses of the machine's network cards, one for each of `sourceInterfaces(manifest)`, in that order: settings inside were changed to them. */
  readonly macs?: readonly string[];
  /** For people, one line for each thing changed or left. */
  readonly report: readonly string[];
  /** True: it came to nothing, and the machine gets its disks as they were, not half-changed. */
  readonly unused?: true;
}

/** Makes the disks of a point start on other hardware. Called once an operation; after a crash in the middle again, on fresh layers. */
export type AdaptMachine = (request: AdaptationRequest) => Promise<Adaptation>;

/** Where a recovery is. `ready`: the machine was started at least once. */
export type RecoveryStep = 'holding' | 'opening' | 'adapting' | 'creating' | 'starting' | 'ready';

export interface RecoverMachineOptions {
  readonly vault: Vault;
  readonly machineId: string;
  readonly pointId: string;
  readonly fabric: Fabric;
  /** 32 hexadecimal digits. The same again takes up where the last one was left, whoever that was. */
  readonly operationId: string;
  /** Keeps one directory for each operation: what is needed to go on after a crash, layers of adaptation. The caller's to choose, the same each time. */
  readonly directory: string;
  /** What every network card of the machine is plugged into. */
  readonly network: NetworkAttachment;
  /** Name of the machine for people; that of the manifest unless told. */
  readonly name?: string;
  /** Hardware that shall be other than the manifest and adaptation say. */
  readonly hardware?: {
    readonly cpus?: number;
    readonly memoryBytes?: number;
    readonly firmware?: MachineFirmware;
    readonly controller?: DiskController;
    readonly networkModel?: NetworkModel;
  };
  readonly adapt?: AdaptMachine;
  /** False: everything is made, nothing is started. */
  readonly start?: boolean;
  /** Where sealed frames out of the vault are kept for the next reader. The caller closes it, last. */
  readonly frameCache?: FrameCache;
  /** Told at the beginning of each step. */
  readonly onProgress?: (step: RecoveryStep) => void;
  /** Told what goes wrong while it goes on: a vault that does not answer, a machine that is paused. Once for each trouble. */
  readonly onTrouble?: (error: HoldfastError) => void;
  /** Ends the recovery where it is, to be taken up again. Of no concern once it has resolved. */
  readonly signal?: AbortSignal;
}

export interface RecoveryStatus {
  readonly operationId: string;
  readonly machineId: string;
  readonly pointId: string;
  /** False where the rights are to read only: the point may be thinned under the machine. */
  readonly held: boolean;
  readonly adaptation: readonly string[];
  readonly machine: MachineStatus;
  /** What keeps the machine paused, when that is known. */
  readonly trouble?: HoldfastError;
}

/**
 * A machine that runs from a point. As long as this is open its disks are served out of the vault; when the vault is away the machine is paused before it
 * sees an error, and resumed when it is back. When this process ends, however, the machine goes on and is paused as soon as it needs the vault,
 * until somebody calls `recoverMachine` with the same operation. After `hydrate` it needs neither.
 */
export interface RecoveredMachine {
  readonly operationId: string;
  status(): Promise<RecoveryStatus>;
  console(): Promise<MachineConsole>;
  /** Copies all of its disks to the fabric; resolves when the vault is not needed any more, and not held any more. */
  hydrate(options?: HydrateOptions): Promise<void>;
  /** Switches the machine on again, after `stop` or its own end. */
  start(): Promise<void>;
  stop(options?: StopOptions): Promise<'orderly' | 'power cut'>;
  /** Ends it all: the machine, what it wrote, what was copied, the hold on the point. Nothing is left. */
  discard(): Promise<void>;
  /** Stops serving and watching; everything stays to be taken up again. */
  close(): Promise<void>;
}
