import { HoldfastError } from '@holdfast/errors';
import { idText, type Open, type ReplicateRequest } from '@holdfast/protocol';
import { violation } from './check-frames.ts';

/** Cuts an agent may say that it holds. */
const MOST_HELD = 200_000;

/** The Open with which the stream of a machine begins. Throws PROTOCOL_VIOLATION, IDENTITY_MISMATCH. */
export const checkOpen = (first: ReplicateRequest | undefined, machineId: string): Open => {
  const message = first?.message;
  if (message?.case !== 'open') throw violation(`machine ${machineId}`, `the stream began with ${message?.case ?? 'nothing'}, not Open`);
  const { machineId: named, protocolVersion, heldCutIds, seenTerm } = message.value;
  if (idText(named) !== machineId)
    throw new HoldfastError('IDENTITY_MISMATCH', {
      thing: `agent ${machineId}`,
      why: `it opened a stream for machine ${idText(named)}`,
      remedy: 'an agent sends for its own machine only',
    });
  if (protocolVersion < 1) throw violation(`agent ${machineId}`, `it speaks version ${protocolVersion} of the protocol`);
  if (heldCutIds.length > MOST_HELD || seenTerm > BigInt(Number.MAX_SAFE_INTEGER))
    throw violation(`agent ${machineId}`, 'its Open holds impossible numbers');
  return message.value;
};
