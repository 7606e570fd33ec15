import { rm } from 'node:fs/promises';
import { type BlockDevice, createOverlay, type Overlay } from '@holdfast/block';
import type { HoldfastError } from '@holdfast/errors';
import { createNbdServer, type NbdExport, type NbdServer } from '@holdfast/nbd';
import { type FrameCache, type MachineHistory, openView, type PointDisk, pointDisks, type RecoveryPoint } from '@holdfast/vault';
import { createPatientDevice } from './patient-device.ts';
import type { AdaptableDisk, Adaptation } from './recovery.ts';
import type { RecoveryFiles } from './recovery-files.ts';

/** Below the 30 s after which Linux gives up on a SATA disk, together with what QEMU waits for a server (5 s) at worst. */
const PATIENCE_MILLISECONDS = 12_000;
/** QEMU does not hang up by itself; what it asked for and did not get, it asks for again. */
const CLOSE_MILLISECONDS = 300;

export interface ServedDisksOptions {
  readonly history: MachineHistory;
  readonly point: RecoveryPoint;
  readonly files: RecoveryFiles;
  readonly frameCache: FrameCache | undefined;
  /** Told of every read that fails, with a way to try it once more. */
  readonly onFailure: (error: HoldfastError, again: () => Promise<void>) => void;
}

/** The disks of a point by NBD: views, and on them the layers that adaptation wrote. */
export interface ServedDisks {
  readonly disks: readonly PointDisk[];
  /** Name of a disk's export. */
  exportOf(disk: PointDisk): string;
  /** Lays a fresh, writable layer on every disk for as long as `work` takes; what it wrote is served from then on, unless it says that it is `unused`. */
  adapt<T extends Pick<Adaptation, 'unused'>>(work: (disks: readonly AdaptableDisk[]) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const exportOf = ({ id }: PointDisk): string => id;

class Served implements ServedDisks {
  readonly disks: readonly PointDisk[];
  readonly exportOf = exportOf;
  readonly #options: ServedDisksOptions;
  readonly #views = new Map<string, BlockDevice>();
  readonly #layers = new Map<string, Overlay>();
  readonly #exports = new Map<string, NbdExport>();
  #server: NbdServer | undefined;

  constructor(options: ServedDisksOptions) {
    this.#options = options;
    this.disks = pointDisks(options.history, options.point);
  }

  async open(layered: boolean): Promise<void> {
    const { history, point, files, frameCache } = this.#options;
    for (const disk of this.disks) {
      const view = await openView(history, point.id, disk.id, { ...(frameCache && { frameCache }) });
      this.#views.set(disk.id, view);
      if (layered) await this.#openLayer(disk);
      this.#offer(disk);
    }
    this.#server = await createNbdServer({
      exports: this.#exports,
      listen: { path: files.socket },
      limits: { closeMilliseconds: CLOSE_MILLISECONDS },
    });
  }

  async adapt<T extends Pick<Adaptation, 'unused'>>(work: (disks: readonly AdaptableDisk[]) => Promise<T>): Promise<T> {
    const adaptable: AdaptableDisk[] = [];
    for (const disk of this.disks) {
      // Of an attempt that was cut short.
      await rm(this.#options.files.layer(disk.id), { force: true });
      const device = await this.#openLayer(disk);
      const name = `${exportOf(disk)}-adapt`;
      this.#exports.set(name, { device, description: `${disk.name}, being adapted` });
      adaptable.push({ id: disk.id, name: disk.name, device, uri: this.#server!.uri(name) });
    }
    const result = await work(adaptable);
    for (const disk of this.disks) {
      this.#exports.delete(`${exportOf(disk)}-adapt`);
      const layer = this.#layers.get(disk.id)!;
      if (result.unused) {
        this.#layers.delete(disk.id);
        await layer.close();
        await rm(this.#options.files.layer(disk.id), { force: true });
      } else await layer.flush();
      this.#offer(disk);
    }
    return result;
  }

  async close(): Promise<void> {
    await this.#server?.close();
    // Layers before the views they lie on.
    for (const device of [...this.#layers.values(), ...this.#views.values()]) await device.close();
  }

  async #openLayer(disk: PointDisk): Promise<Overlay> {
    const { history, point, files } = this.#options;
    const identity = `vault ${history.vault.id}, machine ${history.machine.id}, point ${point.id}, disk ${disk.id}, adapted`;
    const layer = await createOverlay(this.#views.get(disk.id)!, { identity, path: files.layer(disk.id) });
    this.#layers.set(disk.id, layer);
    return layer;
  }

  #offer(disk: PointDisk): void {
    const device = this.#layers.get(disk.id) ?? this.#views.get(disk.id)!;
    const patient = createPatientDevice(device, PATIENCE_MILLISECONDS, this.#options.onFailure);
    // QEMU (7.2, and its source of today) takes a question about allocation that fails for a read that went well while it hydrates (`cor_co_preadv_part` of
    // block/copy-on-read.c: nothing is known of the range, so the loop ends), and hands the machine whatever was in memory. Never asked, it cannot fail.
    this.#exports.set(exportOf(disk), { device: patient, description: disk.name, readOnly: true, describesAllocation: false });
  }
}

/** Serves until it is closed. `layered`: with the layers that an earlier adaptation left. Errors: POINT_NOT_FOUND, DAMAGED, ADDRESS_IN_USE, OVERLAY_MISMATCH. */
export const serveDisks = async (options: ServedDisksOptions, layered: boolean): Promise<ServedDisks> => {
  const served = new Served(options);
  try {
    await served.open(layered);
    return served;
  } catch (reason) {
    await served.close();
    throw reason;
  }
};
