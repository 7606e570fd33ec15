import { readFileSync } from 'node:fs';
import { entries } from './entries.ts';

/** Processors that the threads of a process had, or waited for, on average since the last time it was asked; undefined where the kernel does not tell. */
export type ProcessorDemand = () => number | undefined;

/** Nanoseconds that a thread ran and that it waited for a processor, since it began (`/proc/PID/task/TID/schedstat`). */
const timeOf = (tasks: string, thread: string): number | undefined => {
  try {
    const [ran, waited] = readFileSync(`${tasks}/${thread}/schedstat`, 'latin1').split(' ', 2).map(Number) as [number, number];
    return Number.isFinite(ran + waited) ? ran + waited : undefined;
  } catch {
    // It has ended, or the kernel does not keep such figures.
    return undefined;
  }
};

const timesOf = (tasks: string): Map<string, number> => {
  const times = new Map<string, number>();
  for (const thread of entries(tasks)) {
    const time = timeOf(tasks, thread);
    if (time !== undefined) times.set(thread, time);
  }
  return times;
};

/** Of this process unless `tasks` is another's. `now`: nanoseconds of a steady clock. */
export const createProcessorDemand = (
  tasks = '/proc/self/task',
  now: () => number = () => Number(process.hrtime.bigint()),
): ProcessorDemand => {
  let [before, at] = [timesOf(tasks), now()];
  return () => {
    const [times, time] = [timesOf(tasks), now()];
    let spent = 0;
    // A thread that ended takes its last moments with it.
    for (const [thread, total] of times) spent += total - (before.get(thread) ?? 0);
    const seconds = time - at;
    [before, at] = [times, time];
    return times.size === 0 || seconds <= 0 ? undefined : spent / seconds;
  };
};
