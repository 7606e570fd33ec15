import { kernelDevice, unpackDevice } from './device.ts';

/** `makedev` of the C library. */
const pack = (major: number, minor: number): number => {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return Number(((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn));
};

describe('device numbers', () => {
  it.each([
    [7, 0],
    [8, 16],
    [254, 255],
    [259, 70_000],
    [4095, 1_048_575],
  ])('unpack %i:%i', (major, minor) => {
    expect(unpackDevice(pack(major, minor))).toEqual({ major, minor });
  });

  it('are packed for the kernel as its events carry them', () => {
    expect(kernelDevice({ major: 254, minor: 16 })).toBe(0x0fe0_0010);
    expect(kernelDevice({ major: 4095, minor: 1_048_575 })).toBe(0xffff_ffff);
  });
});
