import type { HardwareIdentity } from './member.ts';

/**
 * True when both are of one machine. The product UUID decides when both know it, else the serial number; else another machine-id, or no network
 * interface in common, makes another machine. A network card that was replaced does not make a clone of a machine with a known UUID.
 */
export const sameHardware = (_a: HardwareIdentity, _b: HardwareIdentity): boolean => {
  throw new Error('not here yet');
};
