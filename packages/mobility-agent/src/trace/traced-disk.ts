import { fromSystem } from '@holdfast/errors';
import { attribute } from './attribute.ts';
import { diskLost } from './continuity-lost.ts';
import { deviceFolder, type TracedDevice } from './device.ts';
import { type DiskCounters, openDiskCounters } from './disk-counters.ts';
import { type Readings, takeReadings } from './witness.ts';

/** An attached disk as its device shows it outside of the trace. */
export interface TracedDisk {
  readonly device: TracedDevice;
  /** No write is at the device at this instant. */
  idle(): boolean;
  /** Reads the kernel's count of written sectors a few times. */
  readings(now: () => number): Readings;
  /** Bytes it has now. */
  size(): number;
  /** Throws CONTINUITY_LOST when the device is gone, is another one, became shorter, or its writes are not counted. It may grow. */
  check(): void;
  close(): void;
}

class Disk implements TracedDisk {
  readonly device: TracedDevice;
  readonly #counters: DiskCounters;

  constructor(device: TracedDevice) {
    this.device = device;
    try {
      this.#counters = openDiskCounters(device.name);
    } catch (reason) {
      throw fromSystem(reason, device.path);
    }
  }

  idle(): boolean {
    // What a suspended device holds back is not in its count.
    const isSuspended = this.device.bioBased === true && attribute(`/sys/block/${this.device.name}`, 'dm/suspended') === '1';
    return !isSuspended && this.#reading(() => this.#counters.writesInFlight() === 0);
  }

  readings(now: () => number): Readings {
    return this.#reading(() => takeReadings(now, () => this.#counters.writtenSectors()));
  }

  size(): number {
    const folder = deviceFolder(this.device);
    return folder === undefined ? 0 : Number(attribute(folder, 'size')) * 512;
  }

  check(): void {
    const { device } = this;
    const folder = deviceFolder(device);
    if (folder === undefined) throw diskLost(device, 'the device is gone');
    const sequence = Number(attribute(folder, 'diskseq'));
    if (sequence !== device.diskSequence) throw diskLost(device, 'there is another disk behind its name now');
    const size = this.size();
    if (size < device.size) throw diskLost(device, `it shrank from ${device.size} to ${size} bytes`);
    if (device.bioBased !== true && attribute(folder, 'queue/iostats') === '0')
      throw diskLost(device, 'its I/O statistics are switched off (queue/iostats)');
  }

  close(): void {
    this.#counters.close();
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code === 'ENODEV') throw diskLost(this.device, 'the device is gone', reason);
      throw fromSystem(reason, this.device.path);
    }
  }
}

export const openTracedDisk = (device: TracedDevice): TracedDisk => new Disk(device);
