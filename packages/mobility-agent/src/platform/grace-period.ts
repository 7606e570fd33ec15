import { libc, systemError } from './libc.ts';
import { processorsAreShared, visitAllProcessors } from './processors.ts';

const MEMBARRIER: Readonly<Record<string, number>> = { x64: 324, arm64: 283 };
const GLOBAL = 1;

const membarrier = (): boolean => {
  const number = MEMBARRIER[process.arch];
  return number !== undefined && libc().syscall(number, GLOBAL, 0, 0) === 0;
};

let shared: boolean | undefined;

/**
 * Returns once every processor has left whatever it did with preemption or interrupts off when this was called: what the kernel's tracer had
 * begun to write by then (it writes with preemption off) is written. A processor that runs our own thread has left it; visiting all takes
 * some 30 us each. Where some are set apart (isolated, nohz_full, a cpuset) membarrier, an RCU grace period, does the same in 10 ms.
 * Throws if the machine offers neither.
 */
export const awaitGracePeriod = (): void => {
  shared ??= processorsAreShared();
  if (shared && visitAllProcessors()) return;
  if (!membarrier()) throw systemError('membarrier');
};
