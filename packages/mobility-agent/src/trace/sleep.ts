import { readFileSync } from 'node:fs';

/** Seconds the two clocks may seem apart because they are read one after the other. */
const TOLERANCE = 1;

/**
 * Seconds this machine has slept since it was started: CLOCK_BOOTTIME, which /proc/uptime shows, less CLOCK_MONOTONIC. After hibernation the
 * kernel's rings and counters are as they were, but the disks may not be.
 */
export const secondsAsleep = (): number =>
  Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) - Number(process.hrtime.bigint()) / 1e9;

/** False if the machine has not slept since `secondsAsleep` was `before`. */
export const hasSlept = (before: number): boolean => !(secondsAsleep() - before <= TOLERANCE);
