import { HoldfastError } from '@holdfast/errors';

/** What every block device checks the same way: bounds, the right to write, and that nothing is under way when it is let go. */
export interface DeviceGuard {
  /** Runs `work` after checking that the range lies within the device and the device is open. */
  read<T>(offset: number, length: number, work: () => Promise<T>): Promise<T>;
  /** Like `read`, and refuses a read-only device with `NO_PERMISSION`. */
  write<T>(offset: number, length: number, work: () => Promise<T>): Promise<T>;
  /** Refuses new calls, waits for those under way, then runs `release`. Later calls return the first one's promise. */
  close(release?: () => Promise<void>): Promise<void>;
}

export interface GuardedDevice {
  /** What errors call the device. */
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
}

class Guard implements DeviceGuard {
  readonly #device: GuardedDevice;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(device: GuardedDevice) {
    this.#device = device;
  }

  async read<T>(offset: number, length: number, work: () => Promise<T>): Promise<T> {
    this.#check(offset, length);
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#idle?.();
    }
  }

  async write<T>(offset: number, length: number, work: () => Promise<T>): Promise<T> {
    const { name, readOnly } = this.#device;
    if (readOnly) {
      throw new HoldfastError('NO_PERMISSION', { thing: name, why: 'it is read-only', remedy: 'write to an overlay over it' });
    }
    return this.read(offset, length, work);
  }

  close(release: () => Promise<void> = async () => {}): Promise<void> {
    this.#closing ??= this.#drained().then(release);
    return this.#closing;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#underWay === 0) resolve();
      else this.#idle = resolve;
    });
  }

  #check(offset: number, length: number): void {
    const { name, size } = this.#device;
    if (this.#closing !== undefined) {
      throw new HoldfastError('DEVICE_CLOSED', { thing: name, why: 'it was closed', remedy: 'open it again' });
    }
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset > size - length) {
      throw new HoldfastError('RANGE_INVALID', {
        thing: name,
        why: `it has ${size} bytes, so ${length} bytes from ${offset} are not all within it`,
        remedy: 'ask for a range within its size',
      });
    }
  }
}

export const createDeviceGuard = (device: GuardedDevice): DeviceGuard => new Guard(device);
