import { BLOCK, BLOCKS, contradiction, judgeDisks, newestIn, parseSpoken, placesOf, stampBlock } from './sequence.ts';

const DISKS = 2;

/** The disks after `count` writes; without those that `skip` names. */
const after = (count: number, skip: readonly number[] = []): Buffer[] => {
  const disks = Array.from({ length: DISKS }, () => Buffer.alloc(BLOCKS * BLOCK));
  let sequence = 0;
  for (const { disk, block } of placesOf(DISKS)) {
    if (sequence === count) break;
    sequence += 1;
    if (!skip.includes(sequence)) stampBlock(disks[disk]!.subarray(block * BLOCK, (block + 1) * BLOCK), sequence);
  }
  return disks;
};

describe('the sequence of a guest', () => {
  it.each([0, 1, 2, 77, 1000])('is recognized after %i writes', (count) => {
    expect(judgeDisks(after(count))).toEqual({ writes: count });
  });

  it('is found wrong when the last write before the newest is missing, or a sector of a block, or a stranger wrote', () => {
    expect(judgeDisks(after(500, [499]))).toEqual({ wrong: expect.stringContaining('499 of 500') });
    const torn = after(500);
    const { disk, block } = [...take(placesOf(DISKS), 500)].at(-1)!;
    torn[disk]!.fill(0, block * BLOCK + 512, block * BLOCK + 1024);
    expect(judgeDisks(torn)).toEqual({ wrong: expect.stringContaining('500') });
    const strange = after(10);
    strange[1]![BLOCKS * BLOCK - 1] = 1;
    expect(judgeDisks(strange)).toHaveProperty('wrong');
  });

  it('is taken up where a power cut tore a write', () => {
    const disks = after(300);
    const { disk, block } = [...take(placesOf(DISKS), 301)].at(-1)!;
    const torn = Buffer.alloc(BLOCK);
    stampBlock(torn, 301);
    torn.copy(disks[disk]!, block * BLOCK + 512, 512, 1024);
    expect(newestIn(disks)).toBe(301);
  });

  it('contradicts a point that holds less than was acknowledged or more than was made', () => {
    const spoken = parseSpoken('1000000000 10\n2000000000 20\n3000000000 3');
    expect(spoken).toHaveLength(2);
    const at = (writes: number, time: bigint) => contradiction(writes, time, spoken, 5_000_000n);
    expect([at(15, 1_500_000_000n), at(10, 1_500_000_000n), at(21, 1_500_000_000n)]).toEqual([undefined, undefined, undefined]);
    expect(at(9, 1_500_000_000n)).toContain('10 were acknowledged');
    expect(at(22, 1_500_000_000n)).toContain('only 20');
    expect(at(9, 1_004_000_000n)).toBeUndefined();
  });
});

function* take<T>(from: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const one of from) {
    if (taken === count) return;
    taken += 1;
    yield one;
  }
}
