import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { VERSION } from '@holdfast/daemon';
import type { HoldfastError } from '@holdfast/errors';
import { formatSilentAgent, RECOVERY_PORT } from '@holdfast/protocol';

/** Where udev puts ports of virtio by their names. */
const PORTS = '/dev/virtio-ports';

/**
 * For the agent of a machine that was recovered, which is kept from its work: says so, once, to whoever started the machine, where there is a port for it.
 * Called again and again while nothing was told, since the port's driver may come after this program. Never rejects: nothing depends on it here.
 */
export const createRecovererTeller = (machineId: () => Promise<string>, ports = PORTS): ((problem: HoldfastError) => Promise<void>) => {
  let isTold = false;
  return async ({ code }) => {
    if (isTold || code !== 'AGENT_CLONED') return;
    try {
      // Not made where it is missing, and not waited for where nobody listens.
      const port = await open(path.join(ports, RECOVERY_PORT), constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        await port.writeFile(formatSilentAgent({ machineId: await machineId(), version: VERSION }));
        isTold = true;
      } finally {
        await port.close();
      }
    } catch {
      // No such port: not recovered by a fabric that has it. Or not yet.
    }
  };
};
