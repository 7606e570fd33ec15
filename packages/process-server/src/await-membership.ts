import { setTimeout as sleep } from 'node:timers/promises';
import { type Membership, openMembership, type ProgramContext, readHardwareIdentity } from '@holdfast/daemon';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { ProcessServerSchema } from './settings.ts';

/** Milliseconds between looks for an identity. */
const LOOK_EVERY = 2000;

/**
 * This server's place in its installation, as soon as it has one. Until then nothing is received; log and health say how to join. Undefined when
 * the program stops.
 */
export const awaitMembership = async (
  { settings, stateDirectory, log, health, metrics, status }: ProgramContext<ProcessServerSchema>,
  stopping: AbortSignal,
): Promise<Membership | undefined> => {
  let problem: HoldfastError | undefined;
  const forget = health.check('membership', () => problem?.message);
  while (!stopping.aborted) {
    try {
      const membership = await openMembership({
        directory: stateDirectory,
        role: 'process-server',
        hardware: await readHardwareIdentity({ file: settings.identity.hardwareFile }),
        log,
        health,
        metrics,
        server: settings.configurationServer.address,
      });
      log.info('This process server is a member', { server: membership.id, incarnation: membership.incarnation });
      forget();
      return membership;
    } catch (reason) {
      const error = fromSystem(reason, "this process server's identity", 'INTERNAL');
      if (error.message !== problem?.message) {
        log.error('Nothing is received until this process server is a member of an installation', { error });
        status(error.message);
      }
      problem = error;
    }
    await sleep(LOOK_EVERY, undefined, { signal: stopping }).catch(() => undefined);
  }
  forget();
  return undefined;
};
