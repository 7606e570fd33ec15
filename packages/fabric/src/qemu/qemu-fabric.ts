import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { Fabric, FabricFinding, HydrateOptions, MachineConsole, MachineRequest, MachineStatus, StopOptions } from '../fabric.ts';
import type { MachineShape } from '../machine-shape.ts';
import { type Acceleration, findAcceleration, qemuVersion } from './acceleration.ts';
import { plugIn, unplug } from './bridge.ts';
import { checkHost } from './check-host.ts';
import { connectUnix, withQmp } from './connect-qmp.ts';
import { trimConsole } from './console-log.ts';
import { settleHydrated, streamDisks, unhydrated } from './hydrate.ts';
import { killProcess, launch, untilGone } from './launch.ts';
import { type MachineDirectory, machineDirectory, makeDirectory, readMachineRequest, writeWhole } from './machine-directory.ts';
import { askStatus } from './machine-status.ts';
import { createOverlayFile } from './overlay-file.ts';
import { processOf } from './process-of.ts';
import { qemuArguments } from './qemu-arguments.ts';
import { createVariables, requireUefi } from './uefi-firmware.ts';
import { assertOperationId, validateRequest } from './validate-shape.ts';

export interface QemuFabricOptions {
  /** Keeps one directory for each machine: overlays, sockets, logs. Short enough for Unix sockets in it: at most 60 bytes. */
  readonly directory: string;
  /** `qemu-system-x86_64` of the PATH unless told. */
  readonly program?: string;
  /** How machines are run; the best there is unless told. */
  readonly acceleration?: Acceleration;
}

const SHUTDOWN_PATIENCE_MILLISECONDS = 60_000;
/** The button is pressed again: a system that is still starting has not heard it. */
const PRESS_MILLISECONDS = 5_000;

class QemuFabric implements Fabric {
  readonly kind = 'qemu';
  readonly #directory: string;
  readonly #program: string;
  readonly #wantedAcceleration: Acceleration | undefined;

  constructor({ directory, program = 'qemu-system-x86_64', acceleration }: QemuFabricOptions) {
    this.#directory = path.resolve(directory);
    this.#program = program;
    this.#wantedAcceleration = acceleration;
  }

  async check(wanted?: MachineShape): Promise<FabricFinding[]> {
    return checkHost(this.#program, this.#directory, await this.#acceleration(), wanted);
  }

  async create(request: MachineRequest): Promise<void> {
    validateRequest(request);
    const directory = this.#of(request.operationId);
    const made = await readMachineRequest(directory);
    if (made !== undefined) {
      if (isDeepStrictEqual(made, JSON.parse(JSON.stringify(request)))) return;
      throw new HoldfastError('SETTING_INVALID', {
        thing: `machine of operation ${request.operationId}`,
        why: 'the operation made another one before',
        remedy: 'begin a new operation, or remove the other machine first',
      });
    }
    await makeDirectory(directory.path);
    for (const [index, { size, source }] of request.shape.disks.entries())
      if (source.kind === 'nbd') await createOverlayFile(directory.overlay(index), size, source);
    if (request.shape.firmware === 'uefi') await createVariables(directory.variables);
    await writeWhole(directory.machine, JSON.stringify(request));
  }

  async start(operationId: string): Promise<void> {
    const { request, directory } = await this.#made(operationId);
    const status = await askStatus(directory, request);
    if (status.state === 'off') return this.#launch(request, directory, false);
    if (status.pause === 'starting') await letGoOn(directory);
  }

  async stop(
    operationId: string,
    { how = 'orderly', patienceMilliseconds = SHUTDOWN_PATIENCE_MILLISECONDS }: StopOptions = {},
  ): Promise<'orderly' | 'power cut'> {
    const { directory } = await this.#made(operationId);
    const running = await processOf(directory, operationId);
    if (running === undefined) return 'orderly';
    if (how === 'orderly') {
      for (const end = performance.now() + patienceMilliseconds; performance.now() < end; ) {
        // It may be gone by now.
        await withQmp(directory.qmpSocket, (qmp) => qmp.execute('system_powerdown')).catch(() => {});
        if (await untilGone(running, Math.min(PRESS_MILLISECONDS, end - performance.now()))) return 'orderly';
      }
    }
    await killProcess(running);
    await rm(directory.life, { force: true });
    return 'power cut';
  }

  async resume(operationId: string): Promise<void> {
    const { request, directory } = await this.#made(operationId);
    const { state } = await askStatus(directory, request);
    if (state === 'paused') await letGoOn(directory);
  }

  async status(operationId: string): Promise<MachineStatus | undefined> {
    const directory = this.#of(operationId);
    const request = await readMachineRequest(directory);
    if (request !== undefined) {
      for (const file of [directory.consoleLog, directory.agentLog, directory.log]) await trimConsole(file);
      return askStatus(directory, request);
    }
    if ((await stat(directory.path).catch(() => undefined)) === undefined) return undefined;
    return { operationId, name: '', state: 'off', disks: [] };
  }

  async console(operationId: string): Promise<MachineConsole> {
    const { directory } = await this.#made(operationId);
    const { consoleLog: log, agentLog, consoleSocket } = directory;
    return { log, agentLog, open: (): Promise<Duplex> => connectUnix(consoleSocket) };
  }

  async screenshot(operationId: string, file: string): Promise<void> {
    const { directory } = await this.#made(operationId);
    await withQmp(directory.qmpSocket, (qmp) => qmp.execute('screendump', { filename: path.resolve(file), format: 'png' }));
  }

  async hydrate(operationId: string, options: HydrateOptions = {}): Promise<void> {
    const { request, directory } = await this.#made(operationId);
    if ((await unhydrated(request, directory)).length === 0) return settleHydrated(request, directory);
    // Only QEMU knows how to write into the overlay: one is started whose machine stands still.
    if ((await processOf(directory, operationId)) === undefined) await this.#launch(request, directory, true);
    try {
      await streamDisks(request, directory, options);
      await settleHydrated(request, directory);
    } finally {
      await this.#endHeld(operationId, request, directory);
    }
  }

  async list(): Promise<MachineStatus[]> {
    const names = await readdir(this.#directory).catch((reason: NodeJS.ErrnoException) => {
      if (reason.code === 'ENOENT') return [];
      throw fromSystem(reason, this.#directory);
    });
    const machines: MachineStatus[] = [];
    for (const name of names.sort()) {
      const status = /^[0-9a-f]{32}$/.test(name) ? await this.#statusOrRemains(name) : undefined;
      if (status !== undefined) machines.push(status);
    }
    return machines;
  }

  /** One whose note is damaged hides no other: it is found, and can be removed. */
  async #statusOrRemains(operationId: string): Promise<MachineStatus | undefined> {
    try {
      return await this.status(operationId);
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      const running = await processOf(this.#of(operationId), operationId);
      return { operationId, name: '', state: running === undefined ? 'off' : 'running', disks: [], ...(running && { pid: running.pid }) };
    }
  }

  async remove(operationId: string): Promise<void> {
    const directory = this.#of(operationId);
    // A damaged request shall not keep it for ever.
    const request = await readMachineRequest(directory).catch(() => undefined);
    const running = await processOf(directory, operationId);
    if (running !== undefined) await killProcess(running);
    if (request !== undefined) await unplug(request);
    await rm(directory.path, { recursive: true, force: true }).catch((reason: unknown) => {
      throw fromSystem(reason, directory.path);
    });
  }

  /** One that was started for hydration alone, and that nobody has switched on since. */
  async #endHeld(operationId: string, request: MachineRequest, directory: MachineDirectory): Promise<void> {
    const { pause } = await askStatus(directory, request);
    const running = await processOf(directory, operationId);
    if (pause !== 'starting' || running === undefined) return;
    await withQmp(directory.qmpSocket, (qmp) => qmp.execute('quit')).catch(() => {});
    await untilGone(running);
  }

  async #launch(request: MachineRequest, directory: MachineDirectory, held: boolean): Promise<void> {
    const needed = await unhydrated(request, directory);
    const plan = {
      request,
      directory,
      held,
      acceleration: await this.#acceleration(),
      version: await qemuVersion(this.#program),
      uefiCode: request.shape.firmware === 'uefi' ? (await requireUefi()).code : undefined,
      hydrated: request.shape.disks.map((_, index) => !needed.includes(index)),
    };
    await plugIn(request);
    await launch(this.#program, qemuArguments(plan), directory);
  }

  async #acceleration(): Promise<Acceleration> {
    return this.#wantedAcceleration ?? (await findAcceleration());
  }

  #of(operationId: string): MachineDirectory {
    assertOperationId(operationId);
    return machineDirectory(this.#directory, operationId);
  }

  async #made(operationId: string): Promise<{ readonly request: MachineRequest; readonly directory: MachineDirectory }> {
    const directory = this.#of(operationId);
    const request = await readMachineRequest(directory);
    if (request !== undefined) return { request, directory };
    throw new HoldfastError('RESOURCE_NOT_FOUND', {
      thing: `machine of operation ${operationId}`,
      why: `there is none in ${this.#directory}`,
      remedy: 'list the machines there are',
    });
  }
}

/**
 * Lets a machine go on that stands still, and leaves one alone that runs. QEMU serves one client after the other, so nobody else does the same between question
 * and command: a `cont` to a machine that runs, and is just about to be stopped for a failed read, takes the stop back (`vm_prepare_start` of softmmu/cpus.c,
 * 7.2) while the read stays put aside for the next start: the machine runs, and waits for that read for ever.
 */
const letGoOn = (directory: MachineDirectory): Promise<void> =>
  withQmp(directory.qmpSocket, async (qmp) => {
    const { running } = (await qmp.execute('query-status')) as { readonly running: boolean };
    if (!running) await qmp.execute('cont');
  });

/** Machines as QEMU processes of this host. They need no daemon: all there is to know of one is in its directory and in its process. */
export const createQemuFabric = (options: QemuFabricOptions): Fabric => new QemuFabric(options);
