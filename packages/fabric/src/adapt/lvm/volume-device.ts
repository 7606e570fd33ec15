import { type BlockDevice, createDeviceGuard } from '@holdfast/block';
import { type LogicalVolume, placesOf } from './logical-volumes.ts';

/** Where a physical volume is: on a device, from a byte on. */
export interface PhysicalPlace {
  readonly device: BlockDevice;
  readonly offset: number;
}

/** A logical volume as a device over the physical ones it lies on. Closing it leaves these open. */
export const logicalDevice = (volume: LogicalVolume, physical: ReadonlyMap<string, PhysicalPlace>): BlockDevice => {
  const { size } = volume;
  const name = `${volume.group}/${volume.name}`;
  const guard = createDeviceGuard({ name, size, readOnly: false });
  /** Does something with each place of a range, one after the other. */
  const each = async (offset: number, length: number, work: (place: PhysicalPlace & { length: number }, from: number) => Promise<void>) => {
    let from = 0;
    for (const place of placesOf(volume, offset, length)) {
      const { device, offset: begin } = physical.get(place.physical)!;
      await work({ device, offset: begin + place.offset, length: place.length }, from);
      from += place.length;
    }
  };
  return {
    size,
    readOnly: false,
    read: (offset, target) =>
      guard.read(offset, target.length, () =>
        each(offset, target.length, (place, from) => place.device.read(place.offset, target.subarray(from, from + place.length))),
      ),
    write: (offset, data) =>
      guard.write(offset, data.length, () =>
        each(offset, data.length, (place, from) => place.device.write(place.offset, data.subarray(from, from + place.length))),
      ),
    zero: (offset, length) =>
      guard.write(offset, length, () => each(offset, length, (place) => place.device.zero(place.offset, place.length))),
    flush: async () => {
      for (const device of new Set([...physical.values()].map((place) => place.device))) await device.flush();
    },
    allocated: (offset, length) => guard.read(offset, length, async () => (length === 0 ? [] : [{ offset, length }])),
    close: () => guard.close(),
  };
};
