import type { MachineHistory } from './history.ts';
import { pointChanges } from './point-changes.ts';

const id = (digit: number): Uint8Array => new Uint8Array(16).fill(digit);
const hex = (digit: number): string => Buffer.from(id(digit)).toString('hex');

const epoch = (number: number, dataBytes: number, more = {}) => ({
  epoch: {
    number: BigInt(number),
    dataBytes: BigInt(dataBytes),
    zeroBytes: 1n,
    storedBytes: BigInt(Math.floor(dataBytes / 2)),
    incompressibleBytes: 3n,
    ...more,
  },
});
const point = (...members: (readonly [disk: number, generation: number, number: number])[]) => ({
  point: {
    members: members.map(([disk, generation, number]) => ({
      diskId: id(disk),
      epoch: { generationId: id(generation), number: BigInt(number) },
    })),
  },
});
const changesOf = (points: unknown[], generations: Record<number, unknown[]>) =>
  pointChanges({
    points,
    generations: new Map(Object.entries(generations).map(([generation, epochs]) => [hex(Number(generation)), { epochs }])),
  } as unknown as MachineHistory).map(({ point: _, ...change }) => change);

describe('the change of a point', () => {
  it('is that of all epochs of all its disks since the point before', () => {
    const generations = { 1: [epoch(0, 1000), epoch(1, 10), epoch(2, 20), epoch(3, 40)], 2: [epoch(0, 2000), epoch(1, 100)] };
    expect(changesOf([point([8, 1, 0], [9, 2, 0]), point([8, 1, 2], [9, 2, 1]), point([8, 1, 3], [9, 2, 1])], generations)).toEqual([
      { dataBytes: 3000, zeroBytes: 2, storedBytes: 1500, incompressibleBytes: 6, isCopy: true, isWhole: true },
      { dataBytes: 130, zeroBytes: 3, storedBytes: 65, incompressibleBytes: 9, isCopy: false, isWhole: true },
      { dataBytes: 40, zeroBytes: 1, storedBytes: 20, incompressibleBytes: 3, isCopy: false, isWhole: true },
    ]);
  });

  it('is at least what is told where epochs were thinned', () => {
    const generations = { 1: [epoch(0, 1000), epoch(4, 10), epoch(5, 10)] };
    expect(changesOf([point([8, 1, 0]), point([8, 1, 4]), point([8, 1, 5])], generations).map(({ isWhole }) => isWhole)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('says when a disk was copied or compared anew', () => {
    const generations = { 1: [epoch(0, 1000), epoch(1, 10)], 2: [epoch(0, 700), epoch(1, 7)] };
    const changes = changesOf([point([8, 1, 1]), point([8, 2, 0]), point([8, 2, 1])], generations);
    expect(changes.map(({ isCopy, dataBytes }) => [isCopy, dataBytes])).toEqual([
      [true, 1010],
      [true, 700],
      [false, 7],
    ]);
  });

  it('knows what does not compress only where agents measured it', () => {
    const old = { storedBytes: 0n, incompressibleBytes: 0n };
    const raw = { storedBytes: 11n, incompressibleBytes: 0n };
    const generations = { 1: [epoch(0, 1000), epoch(1, 10, old), epoch(2, 10, raw), epoch(3, 0, old), epoch(4, 10)] };
    const changes = changesOf(
      [0, 1, 2, 3, 4].map((number) => point([8, 1, number])),
      generations,
    );
    expect(changes.map(({ incompressibleBytes }) => incompressibleBytes)).toEqual([3, undefined, undefined, 0, 3]);
  });
});
