import { createMemoryStore } from '@holdfast/object-store';
import { openLogWriter } from './log-writer.ts';
import { readMachine } from './read-machine.ts';
import { compareAll } from './testing/compare.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { SimulatedSource } from './testing/simulated-source.ts';

describe('log writer', () => {
  it('appends cuts that a reader finds again', async () => {
    const source = new SimulatedSource([64 * 1024, 40_000]);
    const vault = await createTestVault(source, createMemoryStore());
    const writer = await openLogWriter(vault, source.machineId);
    expect(writer.term).toBe(1);
    const cuts = [];
    for (let round = 1; round <= 5; round += 1) {
      source.write(source.disks[0]!, round, 2, round);
      source.write(source.disks[1]!, round * 2 - 1, 1, 100 + round);
      cuts.push(await source.cut());
    }
    const durable = await Promise.all(cuts.map(({ content }) => writer.append(content)));
    expect(durable.at(-1)).toEqual(writer.head);
    expect(writer.heads.get(source.disks[0]!.id)).toMatchObject({ number: 4, open: false, diskSize: 64 * 1024 });
    const history = await readMachine(vault, source.machineId);
    expect(history.head).toEqual(writer.head);
    expect(history.points.map(({ id }) => id)).toEqual(cuts.map(({ pointId }) => pointId));
    expect(await compareAll(history, cuts)).toBeUndefined();
    await writer.close();
  });
});
