import { idBytes } from '@holdfast/protocol';

/** The serial number of a certificate as messages carry it. */
export const serialBytes = (serial: string): Uint8Array<ArrayBuffer> => idBytes(serial.length % 2 === 0 ? serial : `0${serial}`);
