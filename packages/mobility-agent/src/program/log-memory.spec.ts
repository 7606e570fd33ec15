import { logMemory } from './log-memory.ts';

const [MIB, GIB] = [2 ** 20, 2 ** 30];

it.each<[string, number | undefined, number, number]>([
  ['what the setting says', 0, 64 * GIB, 0],
  ['the usual', undefined, 64 * GIB, 128 * MIB],
  ['less on a small machine', undefined, GIB, 64 * MIB],
  ['whole mebibytes', undefined, 957 * MIB, 59 * MIB],
])('memory for the log is %s', (_, setting, total, bytes) => {
  expect(logMemory(setting, total)).toBe(bytes);
});
