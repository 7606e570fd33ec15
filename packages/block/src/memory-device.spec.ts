import { testBlockDevice } from './conformance.ts';
import { BLOCK_SIZE } from './geometry.ts';
import { createMemoryDevice } from './memory-device.ts';

testBlockDevice('a memory device', async (content) => {
  const device = createMemoryDevice(content.length);
  await device.write(0, content);
  return device;
});

test('a memory device takes no room for what was never written', async () => {
  const device = createMemoryDevice(2 ** 44);
  await device.write(2 ** 43 + 5, Uint8Array.of(1));
  const extents = await device.allocated(2 ** 43 - BLOCK_SIZE, 2 ** 20);
  expect(extents).toEqual([{ offset: 2 ** 43, length: 64 * 1024 }]);
  await device.zero(2 ** 43, 2 ** 20);
  expect(await device.allocated(2 ** 43, 2 ** 20)).toEqual([]);
});
