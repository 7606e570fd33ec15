import type { Surroundings } from './surroundings.ts';

/**
 * Does `work`, then closes, whatever became of it. When both fail it is the work's error that is told, the other one by a line of its own: what was not taken
 * away is to be known too.
 */
export const closing = async <T>(
  { stderr }: Pick<Surroundings, 'stderr'>,
  close: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (reason) {
    await close().catch((second: unknown) => {
      stderr.write(`Closing failed too: ${second instanceof Error ? second.message : String(second)}\n`);
    });
    throw reason;
  }
  await close();
  return result;
};
