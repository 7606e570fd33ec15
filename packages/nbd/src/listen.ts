import { chmod, lstat, rm } from 'node:fs/promises';
import net, { type AddressInfo, type Server } from 'node:net';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { describeAddress, type NbdAddress } from './address.ts';

/**
 * Starts listening; port 0 takes any free one. A Unix socket is its owner's only, and one left behind by a dead program is replaced.
 * Resolves to the real address. Error: ADDRESS_IN_USE.
 */
export const listen = async (server: Server, address: NbdAddress): Promise<NbdAddress> => {
  try {
    await tryListen(server, address);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw fromSystem(reason, describeAddress(address));
    if (!('path' in address) || !(await isAbandoned(address.path))) throw inUse(address, reason);
    await rm(address.path);
    await tryListen(server, address);
  }
  if (!('path' in address)) {
    const { address: host, port } = server.address() as AddressInfo;
    return { host, port };
  }
  await chmod(address.path, 0o600);
  return address;
};

const tryListen = (server: Server, address: NbdAddress): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** A socket that nobody answers on. */
const isAbandoned = async (path: string): Promise<boolean> => {
  if (!(await lstat(path)).isSocket()) return false;
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (reason: NodeJS.ErrnoException) => resolve(reason.code === 'ECONNREFUSED'));
  });
};

const inUse = (address: NbdAddress, cause: unknown): HoldfastError =>
  new HoldfastError('ADDRESS_IN_USE', {
    thing: describeAddress(address),
    why: 'something else listens there, or the file there is not a socket',
    remedy: 'stop it or choose another address',
    cause,
  });
