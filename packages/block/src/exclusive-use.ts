import { stat } from 'node:fs/promises';
import net from 'node:net';
import { HoldfastError } from '@holdfast/errors';

/**
 * Makes this process the only user of an existing file until the returned function is called or the process ends, however it ends.
 * It listens on a name in the kernel's abstract socket space, which nothing can leave behind. Programs in another network namespace are
 * not seen, and not on Linux, where there is no such space, nobody. Error: DEVICE_IN_USE.
 */
export const holdExclusively = async (path: string): Promise<() => Promise<void>> => {
  if (process.platform !== 'linux') return async () => {};
  const server = net.createServer((socket) => socket.destroy());
  const name = `\0holdfast/${await identityOf(path)}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(name, resolve);
  }).catch((reason: NodeJS.ErrnoException) => {
    throw new HoldfastError('DEVICE_IN_USE', {
      thing: path,
      why:
        reason.code === 'EADDRINUSE' ? 'another program or another part of this one has it open' : `it cannot be held: ${reason.message}`,
      remedy: 'close it there first',
      cause: reason,
    });
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
};

/** Device and inode: the same file under any name. */
const identityOf = async (path: string): Promise<string> => {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}/${ino}`;
};
