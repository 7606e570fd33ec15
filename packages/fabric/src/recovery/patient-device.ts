import type { BlockDevice } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/** What does not pass by waiting. */
const LASTING: readonly HoldfastError['code'][] = ['DAMAGED', 'UNREADABLE_EXTENT'];
export const isLasting = ({ code }: HoldfastError): boolean => LASTING.includes(code);

/**
 * A device whose reads end, well or not, before a machine that waits for them loses patience. What the device goes on doing then is nobody's concern; the
 * same read is asked for again when the machine is resumed. `onFailure` is told of each that fails, with a way (the same for all of them) to try beforehand
 * whatever failed and may pass by waiting: it resolves when none of it fails any more.
 */
export const createPatientDevice = (
  device: BlockDevice,
  milliseconds: number,
  onFailure: (error: HoldfastError, again: () => Promise<void>) => void,
): BlockDevice => {
  /** By what was asked for: a copy in the background fails at the same place again and again. */
  const failed = new Map<string, () => Promise<unknown>>();
  const inTime = async <T>(begin: () => Promise<T>): Promise<T> => {
    const work = begin();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate(milliseconds)), milliseconds);
    });
    work.catch(() => {});
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  };
  const attempt = async <T>(key: string, begin: () => Promise<T>): Promise<T> => {
    try {
      const result = await inTime(begin);
      failed.delete(key);
      return result;
    } catch (reason) {
      const error = fromSystem(reason, 'disk of a recovered machine');
      if (isLasting(error)) failed.delete(key);
      else failed.set(key, begin);
      throw error;
    }
  };
  const again = async (): Promise<void> => {
    for (const [key, begin] of failed)
      await attempt(key, begin).catch((error: HoldfastError) => {
        if (!isLasting(error)) throw error;
      });
  };
  const limited = async <T>(key: string, begin: () => Promise<T>): Promise<T> => {
    try {
      return await attempt(key, begin);
    } catch (reason) {
      onFailure(reason as HoldfastError, again);
      throw reason;
    }
  };
  return {
    size: device.size,
    readOnly: true,
    read: async (offset, target) => {
      // Its own memory: a read that comes too late must not write into what is used for another one by then.
      const own = Buffer.allocUnsafe(target.length);
      await limited(`read ${offset} ${target.length}`, () => device.read(offset, own));
      target.set(own);
    },
    write: (offset, data) => device.write(offset, data),
    zero: (offset, length) => device.zero(offset, length),
    flush: () => device.flush(),
    allocated: (offset, length) => limited(`allocated ${offset} ${length}`, () => device.allocated(offset, length)),
    close: () => device.close(),
  };
};

const tooLate = (milliseconds: number): HoldfastError =>
  new HoldfastError('STORE_UNAVAILABLE', {
    thing: 'vault',
    why: `it did not answer within ${milliseconds / 1000} s`,
    remedy: 'the machine is paused and goes on by itself when the vault answers again',
  });
