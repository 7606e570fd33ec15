import { createDurableIds } from './durable-ids.ts';

const MINUTE = 60_000;
const slot = (sequence: number, tag = `tag ${sequence}`) => ({ sequence, tag, term: 1 });

describe('what is known to be durable', () => {
  it('are the cuts of the last minutes, and of those no more than there is room for', () => {
    let time = 0;
    const ids = createDurableIds(() => time);
    // Days of a machine at rest, a cut every five seconds.
    for (let cut = 0; cut < 50_000; cut += 1) {
      ids.add(`cut ${cut}`);
      time += 5000;
    }
    const known = Array.from({ length: 50_000 }, (_, cut) => cut).filter((cut) => ids.has(`cut ${cut}`));
    expect(known).toEqual(Array.from({ length: 121 }, (_, index) => 50_000 - 121 + index));
    // What a vault takes at once after an outage.
    for (let cut = 0; cut < 70_000; cut += 1) ids.add(`late ${cut}`);
    expect([ids.has('cut 49999'), ids.has('late 4463'), ids.has('late 4464'), ids.has('late 69999')]).toEqual([false, false, true, true]);
  });

  it('is a cut that becomes known again as long as a new one', () => {
    let time = 0;
    const ids = createDurableIds(() => time);
    ids.add('again');
    ids.add('once');
    time = 9 * MINUTE;
    ids.add('again');
    time = 12 * MINUTE;
    ids.add('other');
    expect([ids.has('again'), ids.has('once')]).toEqual([true, false]);
  });

  it('are the newest slots, by their tags', () => {
    const ids = createDurableIds();
    for (let sequence = 0; sequence < 300; sequence += 1) ids.reached(slot(sequence));
    expect(ids.holds(slot(299))).toBe(true);
    expect(ids.holds(slot(299, 'another'))).toBe(false);
    expect(ids.holds(slot(44))).toBe(true);
    expect(ids.holds(slot(43))).toBe(false);
    expect([ids.holds(undefined), ids.holds(slot(-1, ''))]).toEqual([true, true]);
  });
});
