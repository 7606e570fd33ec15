import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FioLoad, runFio } from './fio.ts';

/** A load that goes on while what is beside it changes: what each change costs is seen by one and the same program. */
export interface SteadyLoad {
  /** Writes a second that ended within so many seconds from now on. */
  iops(seconds: number): Promise<number>;
  end(): Promise<void>;
}

/** Longer than any bench. */
const SECONDS = 24 * 3600;

/** Starts fio. `disk`: kernel name of the disk that its writes end at (`loop3`), which should have no others. */
export const startSteadyLoad = (disk: string, load: Omit<FioLoad, 'seconds' | 'signal'>): SteadyLoad => {
  const ending = new AbortController();
  const running = runFio({ ...load, seconds: SECONDS, signal: ending.signal });
  const ended = running.then(() => {
    throw new Error('fio ended by itself');
  });
  ended.catch(() => undefined);
  /** Field 5 of `Documentation/admin-guide/iostats.rst`, without the three of names. */
  const writes = (): number => Number(readFileSync(`/sys/block/${disk}/stat`, 'latin1').trim().split(/\s+/)[4]);
  return {
    iops: async (seconds) => {
      const [before, began] = [writes(), performance.now()];
      await Promise.race([sleep(seconds * 1000), ended]);
      return ((writes() - before) * 1000) / (performance.now() - began);
    },
    end: async () => {
      ending.abort();
      await Promise.allSettled([running]);
    },
  };
};
