import { type BlockDevice, createOverlay } from '@holdfast/block';
import { createNbdServer, type NbdAddress, type NbdExport, type NbdServer } from '@holdfast/nbd';
import { type FrameCache, type MachineHistory, openFrameCache, openView, type PointDisk, type RecoveryPoint } from '@holdfast/vault';
import { orStopped } from '../or-stopped.ts';
import { formatTime } from '../output/format.ts';
import type { Surroundings } from '../surroundings.ts';
import { leasePoint } from './lease-point.ts';

export interface ServeOptions {
  readonly listen: NbdAddress;
  /** The file that keeps what is written to a disk; without one the disk is read-only. */
  readonly overlayOf: (disk: PointDisk) => string | undefined;
  /** Where what is read out of the vault is kept for later, encrypted. */
  readonly cache?: { readonly directory: string; readonly bytes?: number };
}

export interface Served {
  readonly disk: PointDisk;
  readonly uri: string;
  readonly overlay: string | undefined;
}

/** Serves disks of a point until it is closed. */
export interface DiskServer {
  readonly disks: readonly Served[];
  /** Ends all connections; what was written is kept in the overlays. */
  close(): Promise<void>;
}

/** Offers disks of a point by NBD, each under its name. Until it is closed the point is held. Errors: ADDRESS_IN_USE, OVERLAY_MISMATCH, DEVICE_IN_USE, DAMAGED. */
export const serveDisks = async (
  surroundings: Surroundings,
  chosen: MachineHistory,
  point: RecoveryPoint,
  disks: readonly PointDisk[],
  { listen, overlayOf, cache }: ServeOptions,
): Promise<DiskServer> => {
  const { stderr, stop } = surroundings;
  const lease = await leasePoint(surroundings, chosen, point, 'served by `holdfast`');
  const { history } = lease;
  // Overlays before the views they lie on, views before what they read through.
  const opened: Pick<BlockDevice, 'close'>[] = [lease];
  const closeDevices = async (): Promise<void> => {
    for (const device of opened.splice(0).reverse()) await device.close();
  };
  try {
    let frameCache: FrameCache | undefined;
    if (cache !== undefined) {
      frameCache = await openFrameCache(cache.directory, cache);
      opened.push(frameCache);
    }
    const exports = new Map<string, NbdExport>();
    for (const disk of disks) {
      const view = await orStopped(stop, openView(history, point.id, disk.id, { ...(frameCache && { frameCache }) }));
      opened.push(view);
      const file = overlayOf(disk);
      const device = file === undefined ? view : await createOverlay(view, { identity: identityOf(history, point, disk), path: file });
      if (device !== view) opened.push(device);
      exports.set(disk.name, { device, description: `${disk.name} at ${formatTime(point.time)}` });
    }
    const server: NbdServer = await createNbdServer({
      exports,
      listen,
      onError: (error, { export: name, request }) => stderr.write(`${[name, request, error.message].filter(Boolean).join(': ')}\n`),
    });
    return {
      disks: disks.map((disk) => ({ disk, uri: server.uri(disk.name), overlay: overlayOf(disk) })),
      close: () => server.close().finally(closeDevices),
    };
  } catch (reason) {
    await closeDevices();
    throw reason;
  }
};

/** An overlay goes with this very content and with no other. */
const identityOf = ({ vault, machine }: MachineHistory, point: RecoveryPoint, disk: PointDisk): string =>
  `vault ${vault.id}, machine ${machine.id}, point ${point.id}, disk ${disk.id}`;

/** Resolves when the command is asked to end. */
export const untilStopped = ({ stop }: Surroundings): Promise<void> =>
  new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
