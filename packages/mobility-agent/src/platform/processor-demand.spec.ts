import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createProcessorDemand } from './processor-demand.ts';

describe('what threads need', () => {
  let tasks: string;
  let time: number;

  const thread = (id: string, text: string): void => {
    mkdirSync(path.join(tasks, id), { recursive: true });
    writeFileSync(path.join(tasks, id, 'schedstat'), text);
  };

  beforeEach(() => {
    tasks = mkdtempSync(path.join(tmpdir(), 'holdfast-tasks-'));
    time = 5e9;
  });
  afterEach(() => rmSync(tasks, { recursive: true }));

  it('is what they had and what they waited for, together, since the last time', () => {
    thread('7', '1000000000 500000000 12\n');
    thread('8', '0 0 0\n');
    const demand = createProcessorDemand(tasks, () => time);
    time += 1e9;
    thread('7', '1600000000 600000000 20\n');
    thread('8', '400000000 100000000 3\n');
    expect(demand()).toBeCloseTo(1.2);
    time += 1e9;
    expect(demand()).toBe(0);
  });

  it('counts threads that are new, and those that ended no longer', () => {
    thread('7', '9000000000 0 1\n');
    const demand = createProcessorDemand(tasks, () => time);
    rmSync(path.join(tasks, '7'), { recursive: true });
    thread('9', '250000000 0 1\n');
    time += 1e9;
    expect(demand()).toBeCloseTo(0.25);
  });

  it.each([
    ['has no such file', () => rmSync(path.join(tasks, '7', 'schedstat'))],
    ['writes something else', () => thread('7', 'no\n')],
    ['says that no time went by', () => (time -= 1e9)],
  ])('is unknown where the kernel %s', (_, change) => {
    thread('7', '1 1 1\n');
    const demand = createProcessorDemand(tasks, () => time);
    time += 1e9;
    change();
    expect(demand()).toBeUndefined();
  });

  it('is unknown where there is no /proc', () => {
    const demand = createProcessorDemand(path.join(tasks, 'nowhere'), () => time);
    time += 1e9;
    expect(demand()).toBeUndefined();
  });

  it('of a thread that does nothing but compute is a processor', () => {
    const demand = createProcessorDemand();
    const until = process.hrtime.bigint() + 200_000_000n;
    while (process.hrtime.bigint() < until);
    expect(demand()).toBeGreaterThan(0.8);
  });
});
