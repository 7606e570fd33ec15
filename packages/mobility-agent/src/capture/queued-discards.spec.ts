import { BLOCK_SIZE } from '@holdfast/block';
import { createQueuedDiscards, type EndedDiscards } from './queued-discards.ts';

const SIZE = 100 * BLOCK_SIZE;
const MINUTE = 60e9;
const at = (block: number, count = 1) => ({ offset: block * BLOCK_SIZE, length: count * BLOCK_SIZE });
const start = () => createQueuedDiscards(() => SIZE);
const offsets = (ended: EndedDiscards | undefined): number[] | undefined => ended?.extents.map(({ offset }) => offset / BLOCK_SIZE);

describe('queued discards', () => {
  it('are over when as much has ended as was queued, not before', () => {
    const discards = start();
    discards.queued(at(1, 2), 1);
    discards.queued(at(7), 2);
    discards.queued(at(9, 3), 3);
    expect(discards.ended(3 * BLOCK_SIZE, true)).toBeUndefined();
    discards.queued(at(20), 4);
    expect(discards.ended(3 * BLOCK_SIZE, true)).toBeUndefined();
    const ended = discards.ended(BLOCK_SIZE, true);
    expect(offsets(ended)).toEqual([1, 7, 9, 20]);
    expect(ended?.success).toBe(true);
    expect(discards.ended(BLOCK_SIZE, true)).toBeUndefined();
  });

  it('have failed when one of them has, and only these', () => {
    const discards = start();
    discards.queued(at(1), 1);
    discards.queued(at(2), 1);
    discards.ended(BLOCK_SIZE, false);
    expect(discards.ended(BLOCK_SIZE, true)?.success).toBe(false);
    discards.queued(at(3), 1);
    expect(discards.ended(BLOCK_SIZE, true)?.success).toBe(true);
  });

  it('know what was written since', () => {
    const discards = start();
    discards.written(0, BLOCK_SIZE);
    discards.queued(at(0, 4), 1);
    discards.written(2 * BLOCK_SIZE, 512);
    const ended = discards.ended(4 * BLOCK_SIZE, true)!;
    expect([0, 1, 2, 3].map(ended.isWritten)).toEqual([false, false, true, false]);
    discards.queued(at(0, 4), 1);
    expect(discards.ended(4 * BLOCK_SIZE, true)!.isWritten(2)).toBe(false);
  });

  it('that were queued before anybody looked are not counted', () => {
    const discards = start();
    expect(discards.ended(5 * BLOCK_SIZE, true)).toBeUndefined();
    discards.queued(at(1), 1);
    expect(offsets(discards.ended(BLOCK_SIZE, true))).toEqual([1]);
  });

  it('are given up when one of them never ends', () => {
    const discards = start();
    discards.queued(at(1), 0);
    discards.queued(at(2), MINUTE / 2);
    discards.ended(BLOCK_SIZE, true);
    expect(discards.giveUp(MINUTE)).toBeUndefined();
    const given = discards.giveUp(2 * MINUTE);
    expect(offsets(given)).toEqual([1, 2]);
    expect(given?.success).toBe(false);
    expect(discards.giveUp(9 * MINUTE)).toBeUndefined();
  });
});
