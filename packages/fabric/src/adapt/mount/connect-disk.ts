import type { BlockDevice } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { createNbdClient } from '@holdfast/nbd';
import type { GuestDisk } from './guest-disk.ts';

/** By the URI of an NBD server at a Unix socket. */
export const connectDisk = async ({ uri }: GuestDisk): Promise<BlockDevice> => {
  const url = new URL(uri);
  const socket = url.searchParams.get('socket');
  if (url.protocol !== 'nbd+unix:' || socket === null)
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: uri,
      why: 'it is no NBD export at a Unix socket',
      remedy: 'serve the disk at one',
    });
  return createNbdClient({ address: { path: socket }, export: decodeURIComponent(url.pathname.replace(/^\//, '')) });
};
