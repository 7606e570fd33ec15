import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { TracedDevice } from '@holdfast/mobility-agent';

/**
 * A disk with requests, such as `/dev/vda`, as a trace follows it, by what the kernel says of it alone. It is not opened: writes of a disk that nobody may
 * read here, which an agent would refuse, can still be followed.
 */
export const followedDevice = (device: string): TracedDevice => {
  const name = path.basename(device);
  const said = (file: string): string => readFileSync(`/sys/block/${name}/${file}`, 'latin1').trim();
  const [major, minor] = said('dev').split(':').map(Number) as [number, number];
  return {
    ...{ path: device, name, major, minor, serial: '' },
    size: Number(said('size')) * 512,
    logicalBlockSize: Number(said('queue/logical_block_size')),
    diskSequence: Number(said('diskseq')),
  };
};
