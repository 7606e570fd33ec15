import { ByteCache } from './byte-cache.ts';

const counted = (size: number) => {
  let loads = 0;
  return {
    load: async () => {
      loads += 1;
      return { value: loads, size };
    },
    get loads() {
      return loads;
    },
  };
};

describe('byte cache', () => {
  it('loads a value once while it is kept, also for those who ask at the same time', async () => {
    const cache = new ByteCache<string, number>(100);
    const source = counted(10);
    expect(await Promise.all([cache.get('a', source.load), cache.get('a', source.load)])).toEqual([1, 1]);
    expect(await cache.get('a', source.load)).toBe(1);
    expect(source.loads).toBe(1);
  });

  it('stays within its bytes and lets go of what was used longest ago', async () => {
    const cache = new ByteCache<string, number>(30);
    const source = counted(10);
    for (const key of ['a', 'b', 'c', 'a', 'd']) await cache.get(key, source.load);
    expect(cache.bytes).toBe(30);
    expect(['a', 'b', 'c', 'd'].filter((key) => cache.has(key))).toEqual(['a', 'c', 'd']);
    await cache.get('large', counted(31).load);
    expect(cache.has('large')).toBe(false);
    expect(cache.bytes).toBe(30);
    cache.clear();
    expect([cache.bytes, cache.has('a')]).toEqual([0, false]);
  });

  it('does not keep a failure', async () => {
    const cache = new ByteCache<string, number>(30);
    await expect(cache.get('a', () => Promise.reject(new Error('first')))).rejects.toThrow('first');
    expect(await cache.get('a', counted(1).load)).toBe(1);
  });
});
