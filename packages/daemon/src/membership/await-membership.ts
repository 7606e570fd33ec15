import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { ProgramContext } from '../program/program.ts';
import type { Values } from '../settings/setting.ts';
import { readHardwareIdentity } from './hardware-identity.ts';
import type { MemberRole } from './member.ts';
import type { MemberSchema } from './member-settings.ts';
import type { Membership } from './membership.ts';
import { openMembership } from './open-membership.ts';

/** Milliseconds between looks for an identity. */
const LOOK_EVERY = 2000;

const howToJoin = (program: string): string =>
  `To join an installation, make a token there (holdfast token create) and run here: echo 'TOKEN' | sudo ${program} join --server HOST:PORT ` +
  '--fingerprint HEX';

/**
 * The place of this program in its installation, as soon as it has one. Until then it does nothing for anybody: one that never joined, and a
 * copy of one that did, say what to do, in the log and in their health, and wait. Undefined when the program stops. `whileRefused` is called at every
 * look that finds it so.
 */
export const awaitMembership = async <S extends MemberSchema>(
  { name, settings, stateDirectory, log, health, metrics, status }: ProgramContext<S>,
  role: MemberRole,
  stopping: AbortSignal,
  whileRefused: (problem: HoldfastError) => Promise<void> = async () => undefined,
): Promise<Membership | undefined> => {
  // The compiler cannot see through the generic schema that the settings of members are among the values.
  const { identity, configurationServer } = settings as Values<MemberSchema>;
  let problem: HoldfastError | undefined;
  const forget = health.check('membership', () => problem?.message);
  while (!stopping.aborted) {
    try {
      const hardware = await readHardwareIdentity({ file: identity.hardwareFile });
      const server = configurationServer.address;
      const membership = await openMembership({ directory: stateDirectory, role, hardware, log, health, metrics, server });
      forget();
      log.info('This machine is a member', { role, id: membership.id, incarnation: membership.incarnation });
      return membership;
    } catch (reason) {
      const error = fromSystem(reason, 'the identity of this machine', 'INTERNAL');
      if (error.message !== problem?.message) {
        log.error('This machine cannot take part: nothing is read, received or sent until that changes', { error });
        if (error.code === 'NOT_ENROLLED' || error.code === 'AGENT_CLONED') log.warn(howToJoin(name));
        status(error.message);
      }
      problem = error;
      await whileRefused(error);
    }
    await sleep(LOOK_EVERY, undefined, { signal: stopping }).catch(() => undefined);
  }
  forget();
  return undefined;
};
