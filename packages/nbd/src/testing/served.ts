import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockDevice } from '@holdfast/block';
import type { HoldfastError } from '@holdfast/errors';
import type { NbdAddress } from '../address.ts';
import type { NbdExports } from '../exports.ts';
import { createNbdServer, type NbdServer } from '../server.ts';
import type { NbdErrorContext, NbdLimits } from '../server-connection.ts';

const open = new Set<Served>();

/** For `afterEach`: closes what a failed test left open. */
export const closeServers = async (): Promise<void> => {
  await Promise.all([...open].map((served) => served.close()));
};

/** A server on a Unix socket, or on a TCP port, with a directory of its own. */
export interface Served {
  readonly directory: string;
  readonly path: string;
  readonly server: NbdServer;
  /** What `onError` was called with. */
  readonly errors: { readonly error: HoldfastError; readonly context: NbdErrorContext }[];
  close(): Promise<void>;
}

export const serve = async (exports: NbdExports, limits: NbdLimits = {}, address?: NbdAddress): Promise<Served> => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  const path = join(directory, 'nbd.sock');
  const errors: Served['errors'] = [];
  const server = await createNbdServer({
    exports,
    listen: address ?? { path },
    limits,
    onError: (error, context) => errors.push({ error, context }),
  });
  const served: Served = {
    directory,
    path,
    server,
    errors,
    close: async () => {
      if (!open.delete(served)) return;
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
  open.add(served);
  return served;
};

/** `device` with some calls replaced. */
export const changed = (device: BlockDevice, calls: Partial<BlockDevice>): BlockDevice => ({
  size: device.size,
  readOnly: device.readOnly,
  read: (offset, target) => device.read(offset, target),
  write: (offset, data) => device.write(offset, data),
  zero: (offset, length) => device.zero(offset, length),
  flush: () => device.flush(),
  allocated: (offset, length) => device.allocated(offset, length),
  close: () => device.close(),
  ...calls,
});

/** Resolves when `condition` holds; the test's own deadline is what ends a wait in vain. */
export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};
