import { setTimeout as sleep } from 'node:timers/promises';
import { type Membership, openMembership, type ProgramContext, readHardwareIdentity } from '@holdfast/daemon';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { AgentSchema } from './settings.ts';

const HOW_TO_JOIN =
  "To join an installation, make a token there (holdfast token create) and run here: echo 'TOKEN' | sudo holdfast-agent join --server HOST:PORT " +
  '--fingerprint HEX';
/** Milliseconds between looks for an identity. */
const LOOK_EVERY = 2_000;

/**
 * The machine's place in its installation, as soon as it has one. Until then nothing is sent to anybody: a machine that never joined, and a
 * copy of one that did, say what to do, in the log and in their health, and wait. Undefined when the program stops.
 */
export const awaitMembership = async (context: ProgramContext<AgentSchema>, stopping: AbortSignal): Promise<Membership | undefined> => {
  const { settings, stateDirectory, log, health, metrics, status } = context;
  let problem: HoldfastError | undefined;
  const forget = health.check('membership', () => problem?.message);
  while (!stopping.aborted) {
    try {
      const hardware = await readHardwareIdentity({ file: settings.identity.hardwareFile });
      const membership = await openMembership({
        directory: stateDirectory,
        role: 'agent',
        hardware,
        log,
        health,
        metrics,
        server: settings.configurationServer.address,
      });
      forget();
      log.info('This machine is a member', { machine: membership.id, incarnation: membership.incarnation });
      return membership;
    } catch (reason) {
      const error = fromSystem(reason, 'the identity of this machine', 'INTERNAL');
      if (error.message !== problem?.message) {
        log.error('This machine cannot take part: nothing is read or sent until that changes', { error });
        if (error.code === 'NOT_ENROLLED' || error.code === 'AGENT_CLONED') log.warn(HOW_TO_JOIN);
        status(error.message);
      }
      problem = error;
    }
    await sleep(LOOK_EVERY, undefined, { signal: stopping }).catch(() => undefined);
  }
  forget();
  return undefined;
};
