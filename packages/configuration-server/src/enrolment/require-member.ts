import { type HardwareIdentity, sameHardware } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { Stored } from '../records/kind.ts';
import { type MemberRecord, members } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';

const describe = ({ productUuid, productSerial, machineId, macAddresses }: HardwareIdentity): string =>
  productUuid || productSerial || machineId || macAddresses.join(' ');

/**
 * The member that an identity belongs to, when the machine that shows it is the one that enrolled. A clone is told as an event in the same
 * commit, and as the error to throw after it. Throws CERTIFICATE_REVOKED for one that was removed or enrolled anew.
 */
export const requireMember = async (
  transaction: Transaction,
  id: string,
  hardware: HardwareIdentity,
  incarnation: bigint,
): Promise<Stored<MemberRecord> | { readonly clone: HoldfastError }> => {
  const member = await transaction.read(members, id);
  if (member === undefined || BigInt(member.value.incarnation) !== incarnation)
    throw new HoldfastError('CERTIFICATE_REVOKED', {
      thing: `identity ${id}`,
      why: member === undefined ? 'it was removed' : `it enrolled anew: incarnation ${incarnation} is not ${member.value.incarnation}`,
      remedy: 'enrol this machine with a new token if it shall belong to the installation',
    });
  if (sameHardware(member.value.hardware, hardware)) return member;
  const why = 'the identity was given to a machine with other hardware';
  transaction.event({
    severity: 'critical',
    code: 'AGENT_CLONED',
    text: `Another machine (${describe(hardware)}) showed the identity of ${id} (${describe(member.value.hardware)}) and was turned away`,
    subject: id,
    actor: id,
  });
  return {
    clone: new HoldfastError('AGENT_CLONED', {
      thing: `identity ${id}`,
      why,
      remedy: 'join this machine with a token of its own, or set up the original again',
    }),
  };
};
