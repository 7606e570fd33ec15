import { newId } from '@holdfast/protocol';
import { cutOf, MACHINES, openTestJournal } from './testing/journal-bench.ts';
import { createMemoryDirectory } from './testing/memory-directory.ts';

const [machineId, other] = MACHINES;
const whole = (machine: string, cutId: string) => cutOf(machine, cutId, [0]);

/** Until what was settled in this moment is told. */
const aMoment = () => new Promise(setImmediate);

describe('cuts without frames', () => {
  it('come back as they were, before and after a restart', async () => {
    const directory = createMemoryDirectory();
    const before = await openTestJournal(directory);
    const cutId = newId();
    const cut = await before.commit(machineId, whole(machineId, cutId));
    expect([cut.cutId, cut.machineId, cut.cut]).toEqual([cutId, machineId, whole(machineId, cutId)]);
    const after = await openTestJournal(directory.afterKill());
    const [again, ...more] = after.recovered.get(machineId)!.cuts;
    expect([again!.cut, again!.bytes, more]).toEqual([whole(machineId, cutId), cut.bytes, []]);
  });

  it('of several machines that are settled together are one record, and none is offered again', async () => {
    const directory = createMemoryDirectory();
    const journal = await openTestJournal(directory);
    const cuts = [];
    for (let count = 0; count < 200; count += 1) {
      const machine = count % 2 === 0 ? machineId : other;
      cuts.push(await journal.commit(machine, whole(machine, newId())));
    }
    const left = await journal.commit(machineId, whole(machineId, newId()));
    const writes = () => directory.operations.filter(({ kind }) => kind === 'write').length;
    const before = writes();
    for (const cut of cuts) cut.release();
    await aMoment();
    await journal.close();
    // A record holds no more than fits into what others leave of a file.
    expect(writes() - before).toBeLessThanOrEqual(2);
    const { recovered, damage } = await openTestJournal(directory.afterKill());
    expect(damage).toEqual([]);
    expect([...recovered.values()].flatMap((machine) => machine.cuts.map(({ cutId }) => cutId))).toEqual([left.cutId]);
  });

  it('count when they come again in the moment they were given up', async () => {
    const directory = createMemoryDirectory();
    const journal = await openTestJournal(directory);
    const cutId = newId();
    (await journal.commit(machineId, whole(machineId, cutId))).release();
    await journal.commit(machineId, whole(machineId, cutId));
    await aMoment();
    const { recovered } = await openTestJournal(directory.afterKill());
    expect(recovered.get(machineId)!.cuts.map((cut) => cut.cutId)).toEqual([cutId]);
  });
});
