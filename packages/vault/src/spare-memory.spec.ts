import { createSpareMemory } from './spare-memory.ts';

const MIB = 1024 * 1024;

describe('spare memory', () => {
  it('gives what was given back to who needs no more than that', () => {
    const memory = createSpareMemory();
    const first = memory.take(3 * MIB + 1);
    const second = memory.take(3 * MIB + 1);
    expect(second.buffer).not.toBe(first.buffer);
    memory.giveBack(first);
    const larger = memory.take(4 * MIB + 1);
    expect([larger.buffer === first.buffer, larger.length]).toEqual([false, 4 * MIB + 1]);
    const fitting = memory.take(4 * MIB);
    expect([fitting.buffer === first.buffer, fitting.length]).toEqual([true, 4 * MIB]);
    expect(memory.take(MIB).buffer).not.toBe(first.buffer);
  });

  it('keeps nothing that is small, and nothing once it was told so', () => {
    const memory = createSpareMemory();
    const small = memory.take(100);
    memory.giveBack(small);
    expect(memory.take(MIB).buffer).not.toBe(small.buffer);
    const large = memory.take(MIB);
    memory.giveBack(large);
    memory.drop();
    expect(memory.take(MIB).buffer).not.toBe(large.buffer);
  });
});
