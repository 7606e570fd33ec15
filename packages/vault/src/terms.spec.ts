import { createMemoryStore, withMetrics } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { highestTerm, isOvertaken, takeTerm } from './terms.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { SimulatedSource } from './testing/simulated-source.ts';

describe('terms', () => {
  it('are dense, and the highest is found in a few looks', async () => {
    const source = new SimulatedSource([4096]);
    const { store, metrics } = withMetrics(createMemoryStore());
    const vault = await createTestVault(source, store);
    const { machineId } = source;
    for (let expected = 0; expected < 70; expected += 1) {
      metrics.requests.stat = 0;
      expect(await highestTerm(vault, machineId)).toBe(expected);
      expect(metrics.requests.stat).toBeLessThanOrEqual(14);
      expect(await takeTerm(vault, machineId, { keyEpoch: 1, seenTerm: 0, writerId: newId(), now: 1 })).toBe(expected + 1);
      expect(await isOvertaken(vault, machineId, expected)).toBe(true);
      expect(await isOvertaken(vault, machineId, expected + 1)).toBe(false);
    }
  });

  it('are not made up by the thousand', async () => {
    const source = new SimulatedSource([4096]);
    const vault = await createTestVault(source);
    const take = (seenTerm: number) => takeTerm(vault, source.machineId, { keyEpoch: 1, seenTerm, writerId: newId(), now: 1 });
    await expect(take(1001)).rejects.toMatchObject({ code: 'VAULT_ROLLED_BACK', why: expect.stringContaining('term 1001') });
    expect(await highestTerm(vault, source.machineId)).toBe(0);
    expect(await take(1000)).toBe(1001);
  });

  it('go to different writers, however many ask at once', async () => {
    const source = new SimulatedSource([4096]);
    const vault = await createTestVault(source);
    const terms = await Promise.all(
      Array.from({ length: 10 }, () => takeTerm(vault, source.machineId, { keyEpoch: 1, seenTerm: 3, writerId: newId(), now: 1 })),
    );
    expect(new Set(terms).size).toBe(10);
    expect(Math.min(...terms)).toBeGreaterThan(3);
    expect(await highestTerm(vault, source.machineId)).toBe(Math.max(...terms));
  });
});
