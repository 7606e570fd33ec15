import type { BlockDevice } from '@holdfast/block';
import type { Encoding, ImageFormat, ImageLabel } from './image-format.ts';
import { encodeQcow2 } from './qcow2.ts';
import { encodeRaw } from './raw.ts';
import type { Chunk } from './read-chunks.ts';
import { encodeVhd } from './vhd.ts';
import { encodeVmdk } from './vmdk.ts';

/** A device as an image. `chunks` are all of the device, in order, in parts of whole 64 KiB (the last may be shorter). */
export const encodeImage = (format: ImageFormat, device: BlockDevice, chunks: AsyncIterable<Chunk>, label: ImageLabel): Encoding => {
  switch (format) {
    case 'raw':
      return encodeRaw(device.size, chunks);
    case 'vhd':
      return encodeVhd(device.size, chunks, label);
    case 'vmdk':
      return encodeVmdk(device.size, chunks, label);
    case 'qcow2':
      return encodeQcow2(device, chunks);
  }
};
