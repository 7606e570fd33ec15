import net, { type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { createQmp, type Qmp } from './qmp.ts';

/** QEMU serves one client after the other: whoever talks to it does so briefly, and this is how long the others take at most. */
const PATIENCE_MILLISECONDS = 30_000;

const BUSY_MILLISECONDS = 20;

const tryUnix = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });

export const connectUnix = async (path: string): Promise<Socket> => {
  for (const end = performance.now() + PATIENCE_MILLISECONDS; ; ) {
    try {
      return await tryUnix(path);
    } catch (reason) {
      const cause = reason as NodeJS.ErrnoException;
      // The kernel lets two or three wait for their turn, and turns away all others.
      if (cause.code === 'EAGAIN' && performance.now() < end) await sleep(BUSY_MILLISECONDS);
      else
        throw new HoldfastError('FABRIC_FAILED', {
          thing: path,
          why: `QEMU does not listen (${cause.code})`,
          remedy: 'see whether the machine is on',
          cause,
        });
    }
  }
};

/** Talks to a machine's QEMU for as long as `work` takes. Errors: FABRIC_FAILED (it refuses, is gone, or does not answer in time). */
export const withQmp = async <T>(path: string, work: (qmp: Qmp) => Promise<T>): Promise<T> => {
  const socket = await connectUnix(path);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new HoldfastError('FABRIC_FAILED', {
            thing: path,
            why: `QEMU did not answer within ${PATIENCE_MILLISECONDS / 1000} s`,
            remedy: 'see what keeps it busy, or stop the machine',
          }),
        ),
      PATIENCE_MILLISECONDS,
    );
  });
  try {
    return await Promise.race([work(createQmp(socket)), late]);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
};
