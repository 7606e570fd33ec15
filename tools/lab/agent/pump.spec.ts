import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CutContent } from '@holdfast/protocol';
import fc from 'fast-check';
import { createPump } from './pump.ts';

/** A log and a vault whose answers the test gives one by one. */
const createWorld = () => {
  const committed: CutContent[] = [];
  const names = new Map<CutContent, string>();
  const appended: string[] = [];
  const freed: string[] = [];
  const durable: string[] = [];
  const answers = new Map<string, { resolve(): void; reject(reason: unknown): void }>();
  const idOf = (content: CutContent): string => names.get(content)!;
  const pump = createPump({
    log: {
      committed: () => committed,
      free: (id) => {
        expect(idOf(committed.shift()!)).toBe(id);
        freed.push(id);
      },
    },
    writer: {
      append: (content) => {
        appended.push(idOf(content));
        return new Promise<void>((resolve, reject) => answers.set(idOf(content), { resolve, reject }));
      },
    },
    idOf,
    onDurable: (content) => durable.push(idOf(content)),
  });
  const commit = (name: string): void => {
    const content = {} as CutContent;
    names.set(content, name);
    committed.push(content);
    pump.wake();
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  };
  return { pump, commit, answers, appended, freed, durable, settle };
};

describe('the pump from the log into the vault', () => {
  it('frees in order of commit, whatever order the vault answers in, and only what it was told is durable', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.infiniteStream(fc.nat(3)), async (count, choices) => {
        const { pump, commit, answers, appended, freed, durable, settle } = createWorld();
        const names = Array.from({ length: count }, (_, index) => `cut ${index}`);
        for (const name of names) commit(name);
        const drained = pump.drained();
        const answered = new Set<string>();
        while (freed.length < count) {
          await settle();
          expect(appended.length - freed.length).toBeLessThanOrEqual(4);
          for (const name of freed) expect(answered).toContain(name);
          const open = appended.filter((name) => !answered.has(name));
          const next = open[choices.next().value! % open.length]!;
          answered.add(next);
          answers.get(next)!.resolve();
          await settle();
        }
        await drained;
        expect([appended, freed, durable]).toEqual([names, names, names]);
      }),
      { numRuns: 30 },
    );
  });

  it('stops at the first refusal: nothing behind it is freed', async () => {
    const { pump, commit, answers, freed, settle } = createWorld();
    for (const name of ['a', 'b', 'c']) commit(name);
    answers.get('c')!.resolve();
    answers.get('a')!.resolve();
    answers.get('b')!.reject(new Error('refused'));
    await settle();
    expect(freed).toEqual(['a']);
    await expect(pump.failure).rejects.toThrow('refused');
    await expect(pump.drained()).rejects.toThrow('refused');
  });

  it('has nothing to wait for when nothing was committed', async () => {
    await createWorld().pump.drained();
  });
});
