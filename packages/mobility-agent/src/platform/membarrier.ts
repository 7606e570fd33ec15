import { libc, systemError } from './libc.ts';

const SYSTEM_CALL: Readonly<Record<string, number>> = { x64: 324, arm64: 283 };
const QUERY = 0;
const GLOBAL = 1;

const membarrier = (command: number): number => {
  const number = SYSTEM_CALL[process.arch];
  return number === undefined ? -1 : libc().syscall(number, command, 0, 0);
};

/** True if `waitForAllProcessors` works here; it does not with nohz_full or an architecture we do not know. */
export const canWaitForAllProcessors = (): boolean => {
  const commands = membarrier(QUERY);
  return commands > 0 && (commands & GLOBAL) !== 0 && membarrier(GLOBAL) === 0;
};

/**
 * Returns once every processor has left whatever it did with preemption or interrupts off when this was called (an RCU grace period,
 * about 10 ms): what the kernel's tracer had begun to write by then is written.
 */
export const waitForAllProcessors = (): void => {
  if (membarrier(GLOBAL) !== 0) throw systemError('membarrier');
};
