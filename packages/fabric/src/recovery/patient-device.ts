import type { BlockDevice } from '@holdfast/block';
import { fromSystem, HoldfastError } from '@holdfast/errors';

/**
 * A device whose reads end, well or not, before a machine that waits for them loses patience. What the device goes on doing then is nobody's concern; the
 * same read is asked for again when the machine is resumed. `onFailure` is told of each that fails, with a way to try it once more beforehand.
 */
export const createPatientDevice = (
  device: BlockDevice,
  milliseconds: number,
  onFailure: (error: HoldfastError, again: () => Promise<void>) => void,
): BlockDevice => {
  const inTime = async <T>(begin: () => Promise<T>): Promise<T> => {
    const work = begin();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate(milliseconds)), milliseconds);
    });
    work.catch(() => {});
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  };
  const limited = async <T>(begin: () => Promise<T>): Promise<T> => {
    try {
      return await inTime(begin);
    } catch (reason) {
      const error = fromSystem(reason, 'disk of a recovered machine');
      onFailure(error, async () => void (await inTime(begin)));
      throw error;
    }
  };
  return {
    size: device.size,
    readOnly: true,
    read: async (offset, target) => {
      // Its own memory: a read that comes too late must not write into what is used for another one by then.
      const own = Buffer.allocUnsafe(target.length);
      await limited(() => device.read(offset, own));
      target.set(own);
    },
    write: (offset, data) => device.write(offset, data),
    zero: (offset, length) => device.zero(offset, length),
    flush: () => device.flush(),
    allocated: (offset, length) => limited(() => device.allocated(offset, length)),
    close: () => device.close(),
  };
};

const tooLate = (milliseconds: number): HoldfastError =>
  new HoldfastError('STORE_UNAVAILABLE', {
    thing: 'vault',
    why: `it did not answer within ${milliseconds / 1000} s`,
    remedy: 'the machine is paused and goes on by itself when the vault answers again',
  });
