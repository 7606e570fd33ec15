import { closeSync, constants, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createSequenceLog } from './sequence-log.ts';
import { STAMP_SIZE, writeStamp } from './stamp.ts';

/*
 * The sharpest oracle of the lab: a small file on each disk whose blocks are overwritten in place, durably, one after the other, by one
 * writer that alternates between the disks. No journal and no checksum of a database stands between a wrong cut and what is read: a cut
 * that mixes two instants shows a block that is too new beside one that is too old.
 */

export const STAMPED_BLOCKS = 192;
/** File number of the stamped file of disk 0 in its stamps; disk 1 has the next. */
export const STAMPED_FILE = 0x5f000000;

export const stampedFile = (mountPoint: string): string => path.join(mountPoint, 'stamped', 'blocks');

/** Where step `sequence` writes: which disk, which block of its file. */
export const placeOfStep = (seed: number, sequence: number, disks: number): { readonly disk: number; readonly block: number } => {
  let mixed = Math.imul(sequence ^ seed, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return { disk: sequence % disks, block: ((mixed ^ (mixed >>> 13)) >>> 0) % STAMPED_BLOCKS };
};

export interface StampedFiles {
  /** Overwrites one block durably; returns the step's number. */
  step(): number;
  close(): void;
}

export interface StampedFilesOptions {
  readonly mountPoints: readonly string[];
  /** The ledger outside the protected disks. */
  readonly log: string;
  readonly seed: number;
}

export const createStampedFiles = ({ mountPoints, log, seed }: StampedFilesOptions): StampedFiles => {
  const block = Buffer.alloc(STAMP_SIZE);
  const descriptors = mountPoints.map((mountPoint, disk) => {
    const file = stampedFile(mountPoint);
    mkdirSync(path.dirname(file), { recursive: true });
    // Written in full first: later writes only overwrite, so that the file system has nothing to allocate or to journal.
    const first = Buffer.alloc(STAMPED_BLOCKS * STAMP_SIZE);
    for (let index = 0; index < STAMPED_BLOCKS; index += 1) {
      const target = first.subarray(index * STAMP_SIZE, (index + 1) * STAMP_SIZE);
      writeStamp({ file: STAMPED_FILE + disk, block: index, sequence: 0, time: process.hrtime.bigint() }, target);
    }
    const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
    writeSync(descriptor, first);
    fsyncSync(descriptor);
    return descriptor;
  });
  const outside = createSequenceLog(log);
  let sequence = 0;
  return {
    step: () => {
      sequence += 1;
      const place = placeOfStep(seed, sequence, descriptors.length);
      const time = outside.begin(sequence);
      writeStamp({ file: STAMPED_FILE + place.disk, block: place.block, sequence, time }, block);
      writeSync(descriptors[place.disk]!, block, 0, STAMP_SIZE, place.block * STAMP_SIZE);
      outside.acked(sequence);
      return sequence;
    },
    close: () => {
      for (const descriptor of descriptors) closeSync(descriptor);
      outside.close();
    },
  };
};
