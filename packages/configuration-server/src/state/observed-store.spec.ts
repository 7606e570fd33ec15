import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore } from './memory-store.ts';
import { observedStore } from './observed-store.ts';

const LIMITS = { events: 10, audit: 10, changes: 10 };

describe('an observed store', () => {
  it('tells of commits and failures, and leaves both as they are', async () => {
    const told: string[] = [];
    const observer = { committed: () => void told.push('committed'), failed: ({ message }: Error) => void told.push(message) };
    const memory = createMemoryStore(LIMITS);
    const store = observedStore(memory, observer);
    expect(await store.commit({ put: { a: { schema: 1, data: 1 } } })).toBe(1);
    await expect(store.commit({ expect: { a: 0 } })).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
    expect(told).toEqual(['committed']);
    const full = new HoldfastError('NO_SPACE', { thing: 'a', why: 'b', remedy: 'c' });
    const broken = observedStore({ ...memory, commit: () => Promise.reject(full) }, observer);
    await expect(broken.commit({})).rejects.toBe(full);
    expect(told).toEqual(['committed', full.message]);
    expect((await store.get('a'))?.data).toBe(1);
  });
});
