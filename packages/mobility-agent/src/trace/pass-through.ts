import { realpathSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What kind of commands programs may hand to a disk past the block layer, which names neither place nor length of them. */
export type PassThrough = 'scsi' | 'nvme';

/** For the device at a folder of sysfs. Others (virtio) take nothing so that changes data. */
export const passThroughOf = (folder: string): PassThrough | undefined => {
  if (/^nvme/.test(basename(folder))) return 'nvme';
  try {
    return /^\d+:\d+:\d+:\d+$/.test(basename(realpathSync(join(folder, 'device')))) ? 'scsi' : undefined;
  } catch {
    return undefined;
  }
};

/**
 * SCSI commands that leave the data as it is (SPC-6, SBC-4): what smartd, udisks, multipathd and the kernel ask a disk all day long. Of any
 * other one the worst is assumed.
 */
const HARMLESS = new Set([
  ...[0x00, 0x03, 0x12, 0xa0], // TEST UNIT READY, REQUEST SENSE, INQUIRY, REPORT LUNS
  ...[0x08, 0x28, 0xa8, 0x88], // READ (6), (10), (12), (16)
  ...[0x2f, 0xaf, 0x8f], // VERIFY (10), (12), (16)
  ...[0x34, 0x90, 0x35, 0x91], // PRE-FETCH (10), (16), SYNCHRONIZE CACHE (10), (16)
  ...[0x25, 0x9e, 0x37, 0xb7], // READ CAPACITY (10), SERVICE ACTION IN (16), READ DEFECT DATA (10), (12)
  ...[0x1a, 0x5a, 0x15, 0x55], // MODE SENSE and MODE SELECT (6), (10)
  ...[0x4c, 0x4d, 0x1c, 0x1d], // LOG SELECT, LOG SENSE, RECEIVE and SEND DIAGNOSTIC RESULTS
  ...[0x16, 0x17, 0x56, 0x57, 0x5e, 0x5f], // RESERVE and RELEASE (6), (10), PERSISTENT RESERVE IN, OUT
  ...[0x1b, 0x1e, 0x3c, 0x9b, 0xa2, 0xa3], // START STOP UNIT, PREVENT REMOVAL, READ BUFFER (10), (16), SECURITY PROTOCOL IN, MAINTENANCE IN
]);

/** Place of the ATA command in ATA PASS-THROUGH (12) and (16) (SAT-5). */
const ATA: ReadonlyMap<number, number> = new Map([
  [0xa1, 9],
  [0x85, 14],
]);

/** The same of ATA commands (ACS-4). */
const HARMLESS_ATA = new Set([
  ...[0xb0, 0xec, 0xa1, 0xe5, 0x98], // SMART, IDENTIFY DEVICE and PACKET DEVICE, CHECK POWER MODE (and as it once was)
  ...[0x2f, 0x47, 0xef], // READ LOG EXT and DMA EXT, SET FEATURES
  ...[0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xe7, 0xea], // STANDBY, IDLE (IMMEDIATE or not), SLEEP, FLUSH CACHE (EXT)
  ...[0x20, 0x24, 0x25, 0xc8, 0x40, 0x42], // READ SECTORS (EXT), READ DMA (EXT), READ VERIFY (EXT)
]);

/** True for a SCSI command that may change data; `byte` tells the bytes of it. */
export const mayChange = (opcode: number, byte: (index: number) => number | undefined): boolean => {
  const place = ATA.get(opcode);
  if (place === undefined) return !HARMLESS.has(opcode);
  const command = byte(place);
  return command === undefined || !HARMLESS_ATA.has(command);
};
