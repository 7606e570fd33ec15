import type { Cut, CutContent } from '@holdfast/protocol';
import { countFrames } from './counted-content.ts';

describe('counting frames', () => {
  it('counts every epoch once, however often it is read', async () => {
    const content: CutContent = {
      cut: {} as Cut,
      frames: async function* (index) {
        yield new Uint8Array(10 + index);
        yield new Uint8Array(1);
      },
    };
    const counted = countFrames(content);
    const read = async (index: number): Promise<number[]> => {
      const lengths: number[] = [];
      for await (const { length } of counted.frames(index)) lengths.push(length);
      return lengths;
    };
    expect(counted.sent).toBe(0);
    expect(await read(0)).toEqual([10, 1]);
    expect(await read(1)).toEqual([11, 1]);
    await read(0);
    expect(counted.sent).toBe(23);
  });
});
