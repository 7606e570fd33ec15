import { readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Vault } from '@holdfast/vault';
import type { Fabric, HydrateOptions, MachineConsole, StopOptions } from '../fabric.ts';
import { type HeldPoint, holdPoint, releasePoint } from './hold-point.ts';
import type { Adaptation, RecoveredMachine, RecoverMachineOptions, RecoveryStatus } from './recovery.ts';
import {
  type KeptRecord,
  lockRecovery,
  type RecoveryFiles,
  readRecord,
  recoveryFiles,
  removeRecovery,
  writeRecord,
} from './recovery-files.ts';
import { type ServedDisks, serveDisks } from './served-disks.ts';
import { firmwareOf, shapeOfPoint } from './shape-of-point.ts';
import { type Watch, watchMachine } from './watch-machine.ts';

const bootOfHost = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '')).trim();

const isLayered = (adaptation: Adaptation | undefined): boolean => adaptation !== undefined && adaptation.unused === undefined;

class Recovery implements RecoveredMachine {
  readonly operationId: string;
  readonly #options: RecoverMachineOptions;
  readonly #files: RecoveryFiles;
  readonly #unlock: () => Promise<void>;
  #record!: KeptRecord;
  #served: ServedDisks | undefined;
  #watch: Watch | undefined;
  #closing: Promise<void> | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #hasBegun = false;

  constructor(options: RecoverMachineOptions, files: RecoveryFiles, unlock: () => Promise<void>) {
    this.operationId = options.operationId;
    this.#options = options;
    this.#files = files;
    this.#unlock = unlock;
  }

  /** From wherever an earlier one was left to a machine that was started once. */
  async begin(): Promise<void> {
    const { fabric, start = true, onProgress, signal, onTrouble } = this.#options;
    const known = await readRecord(this.#files);
    if (known !== undefined) {
      this.#assertSame(known);
      this.#record = known;
    }
    if (known?.hydrated === undefined) await this.#prepare(known);
    signal?.throwIfAborted();
    onProgress?.('creating');
    await fabric.create({ operationId: this.operationId, name: this.#record.name, shape: this.#record.shape! });
    this.#watch = watchMachine({
      fabric,
      operationId: this.operationId,
      onTrouble: (error) => onTrouble?.(error),
      onHydrated: async () => {
        if (!this.#record.hydrated) await this.hydrate();
      },
      onOff: async () => {
        if (this.#hasBegun && this.#record.boot !== undefined) await this.#note({ boot: undefined });
      },
      revival: {
        // Not one that is off, and whose disks alone were being copied.
        isWanted: () => this.#hasBegun && this.#record.boot !== undefined,
        start: () => fabric.start(this.operationId),
      },
    });
    if (start && (this.#record.started === undefined || (await this.#endedWithHost()))) {
      signal?.throwIfAborted();
      onProgress?.('starting');
      await fabric.start(this.operationId);
      await this.#note({ started: true, boot: await bootOfHost() });
    }
    this.#hasBegun = true;
    onProgress?.('ready');
  }

  async status(): Promise<RecoveryStatus> {
    const { fabric, machineId, pointId } = this.#options;
    const machine = await fabric.status(this.operationId);
    if (machine === undefined)
      throw new HoldfastError('RESOURCE_NOT_FOUND', {
        thing: `machine of recovery ${this.operationId}`,
        why: 'somebody removed it',
        remedy: 'discard the recovery and begin a new one',
      });
    const trouble = this.#watch?.trouble;
    return {
      operationId: this.operationId,
      machineId,
      pointId,
      held: this.#record.holdId !== undefined,
      adaptation: this.#record.adaptation?.report ?? [],
      machine,
      ...(trouble !== undefined && { trouble }),
    };
  }

  console(): Promise<MachineConsole> {
    return this.#options.fabric.console(this.operationId);
  }

  async hydrate(options: HydrateOptions = {}): Promise<void> {
    const { fabric } = this.#options;
    await fabric.hydrate(this.operationId, options);
    await this.#becomeIndependent();
  }

  async start(): Promise<void> {
    const { fabric } = this.#options;
    this.#watch?.forget();
    await fabric.start(this.operationId);
    await fabric.resume(this.operationId);
    await this.#note({ started: true, boot: await bootOfHost() });
  }

  async stop(options?: StopOptions): Promise<'orderly' | 'power cut'> {
    await this.#note({ boot: undefined });
    return this.#options.fabric.stop(this.operationId, options);
  }

  async discard(): Promise<void> {
    const { fabric, vault, machineId } = this.#options;
    await this.#watch?.stop();
    await fabric.remove(this.operationId);
    await this.#served?.close();
    this.#served = undefined;
    // Last the record: what fails before it is done again.
    await releasePoint(vault, machineId, this.operationId);
    await removeRecovery(this.#files);
    await this.#unlock();
    this.#closing = Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#watch?.stop();
    await this.#served?.close();
    await this.#unlock();
  }

  /** The host went down under the machine, which nobody switched off. */
  async #endedWithHost(): Promise<boolean> {
    const { boot } = this.#record;
    if (boot === undefined || boot === (await bootOfHost())) return false;
    return (await this.#options.fabric.status(this.operationId))?.state === 'off';
  }

  /** It needs the vault no more, so nothing of the vault is kept for it. */
  async #becomeIndependent(): Promise<void> {
    const { vault, machineId, onTrouble } = this.#options;
    if (this.#record.hydrated) return;
    // Nobody may look after it any longer, and what it was paused for cannot fail any more.
    const machine = await this.#options.fabric.status(this.operationId);
    if (machine?.pause === 'io') await this.#options.fabric.resume(this.operationId);
    await this.#note({ hydrated: true });
    try {
      await releasePoint(vault, machineId, this.operationId);
      await this.#note({ holdId: undefined });
    } catch (reason) {
      // It is listed with its reason, and costs room only.
      onTrouble?.(fromSystem(reason, `hold on point ${this.#record.pointId}`));
    }
  }

  /** Holds the point, serves its disks, has them adapted and decides the hardware: each of it once. */
  async #prepare(known: KeptRecord | undefined): Promise<void> {
    const { vault, machineId, pointId, frameCache, onProgress, signal } = this.#options;
    onProgress?.('holding');
    if (known === undefined) {
      const identity = { operationId: this.operationId, vaultId: vault.id, machineId, pointId };
      this.#record = { ...identity, name: this.#options.name ?? '', created: Date.now(), pointTime: 0, holdId: undefined };
      // Before the hold: one that nobody knows of would keep the point for ever.
      await this.#note({});
    }
    const held = await holdPoint(vault, machineId, pointId, this.operationId);
    const { history, point, holdId } = held;
    const name = this.#record.name || point.manifest?.machineName || history.machine.name || machineId;
    await this.#note({ name, pointTime: point.time, holdId });
    signal?.throwIfAborted();
    onProgress?.('opening');
    const onFailure = (error: HoldfastError, again: () => Promise<void>): void => this.#watch?.noteFailure(error, again);
    const options = { history, point, files: this.#files, frameCache, onFailure };
    this.#served = await serveDisks(options, isLayered(this.#record.adaptation));
    if (this.#record.shape === undefined) await this.#decide(held, this.#served);
  }

  async #decide({ point }: HeldPoint, served: ServedDisks): Promise<void> {
    const { hardware = {}, network } = this.#options;
    const adaptation = this.#record.adaptation ?? (await this.#adapt(point.manifest, served));
    const { disks, exportOf } = served;
    await this.#note({
      ...(adaptation !== undefined && { adaptation }),
      shape: shapeOfPoint({ point, disks, socket: this.#files.socket, exportOf, hardware, network, adaptation }),
    });
  }

  async #adapt(manifest: HeldPoint['point']['manifest'], served: ServedDisks): Promise<Adaptation | undefined> {
    const { adapt, hardware = {}, network, onProgress, signal = new AbortController().signal } = this.#options;
    if (adapt === undefined) return undefined;
    signal.throwIfAborted();
    onProgress?.('adapting');
    const { controller } = hardware;
    return served.adapt((disks) => adapt({ manifest, disks, controller, firmware: firmwareOf(manifest, hardware), network, signal }));
  }

  async #note(changes: Partial<KeptRecord>): Promise<void> {
    this.#record = { ...this.#record, ...changes };
    // One after the other, so that what is written last is what is.
    const written = this.#writing.then(() => writeRecord(this.#files, this.#record));
    this.#writing = written.catch(() => undefined);
    await written;
  }

  #assertSame({ vaultId, machineId, pointId }: KeptRecord): void {
    const { vault, machineId: machine, pointId: point } = this.#options;
    if (vaultId === vault.id && machineId === machine && pointId === point) return;
    throw new HoldfastError('SETTING_INVALID', {
      thing: `recovery ${this.operationId}`,
      why: `it was begun with point ${pointId} of machine ${machineId} in vault ${vaultId}`,
      remedy: 'go on with these, or begin another one',
    });
  }
}

/**
 * Starts a machine from a recovery point, in seconds, whatever its size. Idempotent by operation. Errors: MACHINE_NOT_FOUND, POINT_NOT_FOUND, DAMAGED,
 * SETTING_INVALID (the operation was begun with another machine or point), ALREADY_RUNNING (another process has it open), those of the fabric. After an
 * error everything stays as far as it came.
 */
export const recoverMachine = async (options: RecoverMachineOptions): Promise<RecoveredMachine> => {
  const files = recoveryFiles(options.directory, options.operationId);
  const unlock = await lockRecovery(files);
  const recovery = new Recovery(options, files, unlock);
  try {
    await recovery.begin();
    return recovery;
  } catch (reason) {
    await recovery.close();
    throw reason;
  }
};

/**
 * Removes a recovery without opening it: its machine, its files, its hold when a vault is given. Does nothing when there is none. Errors: ALREADY_RUNNING
 * (a process has it open), those of the fabric.
 */
export const discardRecovery = async ({
  fabric,
  directory,
  operationId,
  vault,
}: {
  readonly fabric: Fabric;
  readonly directory: string;
  readonly operationId: string;
  readonly vault?: Vault;
}): Promise<void> => {
  const files = recoveryFiles(directory, operationId);
  const unlock = await lockRecovery(files);
  try {
    await fabric.remove(operationId);
    const record = await readRecord(files).catch(() => undefined);
    if (record !== undefined && vault !== undefined && record.vaultId === vault.id)
      await releasePoint(vault, record.machineId, operationId);
    await removeRecovery(files);
  } finally {
    await unlock();
  }
};
