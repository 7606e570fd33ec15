import { type HardwareIdentity, sameHardware } from '@holdfast/daemon';
import type { HardwareIdentity as HardwareMessage } from '@holdfast/protocol';
import { checkLine, requestInvalid } from '../request-invalid.ts';

const LONGEST = 128;
const MOST_ADDRESSES = 64;

/** What a machine says of its hardware, checked. Throws REQUEST_INVALID, also when it says nothing at all. */
export const readHardware = (message: HardwareMessage | undefined): HardwareIdentity => {
  const { productUuid = '', productSerial = '', macAddresses = [], machineId = '' } = message ?? {};
  const hardware = { productUuid, productSerial, macAddresses: macAddresses.toSorted(), machineId };
  if (macAddresses.length > MOST_ADDRESSES)
    throw requestInvalid('hardware identity', `it has ${macAddresses.length} hardware addresses`, `send at most ${MOST_ADDRESSES}`);
  for (const part of [productUuid, productSerial, machineId, ...macAddresses]) checkLine(part, 'hardware identity', LONGEST);
  if ([productUuid, productSerial, machineId, ...macAddresses].every((part) => part === ''))
    throw requestInvalid(
      'hardware identity',
      'it is empty, so that this machine could not be told from a copy',
      'give it a /etc/machine-id, or name a file by the setting identity.hardware-file',
    );
  return hardware;
};

const agree = (a: string, b: string): boolean => a !== '' && a.toLowerCase() === b.toLowerCase();

/** True when two machines are the same for sure: nothing contradicts it, and something that both know says so. */
export const surelySame = (a: HardwareIdentity, b: HardwareIdentity): boolean =>
  sameHardware(a, b) &&
  (agree(a.productUuid, b.productUuid) ||
    agree(a.productSerial, b.productSerial) ||
    agree(a.machineId, b.machineId) ||
    a.macAddresses.some((address) => b.macAddresses.includes(address)));
