import { identifyDevice } from '../trace/device.ts';
import { allocateReadBuffer, openDirectReader } from '../trace/direct-reader.ts';
import { createLoopDisk } from '../trace/testing/loop-disk.ts';
import { openOthersWork } from './others-work.ts';

const MIB = 1024 * 1024;

describe.unless(lacks('root', 'losetup'), "others' work on a disk", () => {
  it('is told of by the kernel: a read is counted when it has ended, and is our own', () => {
    const loop = createLoopDisk(8 * MIB);
    try {
      const device = identifyDevice(loop.path);
      const reader = openDirectReader(device);
      const others = openOthersWork(device.name);
      for (let at = 0; at < 4; at += 1) {
        reader.read(at * MIB, allocateReadBuffer(MIB));
        expect(others.since(MIB)).toBe(0);
      }
      // Somebody else's, as far as this one knows.
      reader.read(0, allocateReadBuffer(2 * MIB));
      expect(others.since(0)).toBe(2 * MIB);
      others.close();
      reader.close();
    } finally {
      loop.detach();
    }
  });
});
