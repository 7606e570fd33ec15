import net, { type Socket } from 'node:net';
import { HoldfastError } from '@holdfast/errors';
import { createQmp, type Qmp } from './qmp.ts';

/** QEMU serves one client after the other: whoever talks to it does so briefly, and this is how long the others take at most. */
const PATIENCE_MILLISECONDS = 30_000;

export const connectUnix = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    socket.once('connect', () => resolve(socket));
    socket.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new HoldfastError('FABRIC_FAILED', {
          thing: path,
          why: `QEMU does not listen (${cause.code})`,
          remedy: 'see whether the machine is on',
          cause,
        }),
      ),
    );
  });

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
