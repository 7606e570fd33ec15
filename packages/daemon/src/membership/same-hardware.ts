import type { HardwareIdentity } from './member.ts';

/** Undefined when one of both does not know. */
const agree = (a: string, b: string): boolean | undefined => (a === '' || b === '' ? undefined : a.toLowerCase() === b.toLowerCase());

/**
 * True when both are of one machine. The product UUID decides when both know it, else the serial number; else another machine-id, or no
 * network interface in common, makes another machine. A network card that was replaced does not make a clone of a machine with a known
 * UUID.
 */
export const sameHardware = (a: HardwareIdentity, b: HardwareIdentity): boolean => {
  const decided = agree(a.productUuid, b.productUuid) ?? agree(a.productSerial, b.productSerial);
  if (decided !== undefined) return decided;
  if (agree(a.machineId, b.machineId) === false) return false;
  if (a.macAddresses.length === 0 || b.macAddresses.length === 0) return true;
  return a.macAddresses.some((address) => b.macAddresses.includes(address));
};
