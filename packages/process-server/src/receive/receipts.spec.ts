import { setTimeout as sleep } from 'node:timers/promises';
import { idText, newId } from '@holdfast/protocol';
import { createReceipts, receiptGap } from './receipts.ts';

const open = (gap: number) => {
  const told: string[][] = [];
  const receipts = createReceipts(
    () => gap,
    ({ cutId, earlierCutIds }) => {
      told.push([...earlierCutIds!, cutId!].map((id) => idText(id as Uint8Array)));
    },
  );
  return { told, receipts };
};

describe('receipts', () => {
  it('that can wait are told together, in order, once', async () => {
    const { told, receipts } = open(20);
    const ids = [newId(), newId(), newId()];
    for (const id of ids) receipts.add(id, true);
    expect(told).toEqual([]);
    while (told.length === 0) await sleep(5);
    expect(told).toEqual([ids]);
    receipts.close();
  });

  it('are told with one that cannot wait', () => {
    const { told, receipts } = open(600_000);
    const ids = [newId(), newId(), newId()];
    receipts.add(ids[0]!, true);
    receipts.add(ids[1]!, true);
    receipts.add(ids[2]!, false);
    expect(told).toEqual([ids]);
  });

  it('are told one by one where the other side knows no others', () => {
    const { told, receipts } = open(0);
    const ids = [newId(), newId()];
    for (const id of ids) receipts.add(id, true);
    expect(told).toEqual(ids.map((id) => [id]));
  });

  it('are told well before the policy of the machine wants an alert', () => {
    expect([0, 600_000, 60_000, 30_000, 5000, 1000].map(receiptGap)).toEqual([6000, 6000, 6000, 3000, 500, 100]);
  });

  it('are told in the time of a policy that was changed meanwhile', async () => {
    let gap = 600_000;
    const told: number[] = [];
    const receipts = createReceipts(
      () => gap,
      ({ earlierCutIds }) => told.push(1 + earlierCutIds!.length),
    );
    receipts.add(newId(), true);
    receipts.add(newId(), false);
    gap = 5;
    receipts.add(newId(), true);
    while (told.length < 2) await sleep(5);
    expect(told).toEqual([2, 1]);
    receipts.close();
  });

  it('are not told behind the end', async () => {
    const { told, receipts } = open(5);
    receipts.add(newId(), true);
    receipts.close();
    await sleep(50);
    expect(told).toEqual([]);
  });
});
