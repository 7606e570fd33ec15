import { readFileSync } from 'node:fs';
import { boundsAt, type SequenceTimes } from '../workload/sequence-log.ts';
import { readStamp, STAMP_SIZE } from '../workload/stamp.ts';
import { placeOfStep, STAMPED_BLOCKS, STAMPED_FILE, stampedFile } from '../workload/stamped-files.ts';
import { createFaults, type Faults, type Verdict } from './verdict.ts';

export interface StampsQuestion {
  /** Where the recovered disks are mounted, in the order of the originals. */
  readonly mountPoints: readonly string[];
  readonly times: SequenceTimes;
  /** CLOCK_MONOTONIC of the point, nanoseconds. */
  readonly instant: bigint;
  readonly seed: number;
}

/** The step that wrote each block last; 0 where only the preparation did. By disk and block. */
type LastSteps = readonly Uint32Array[];

const readSteps = (mountPoints: readonly string[], faults: Faults): LastSteps =>
  mountPoints.map((mountPoint, disk) => {
    const content = readFileSync(stampedFile(mountPoint));
    if (content.length !== STAMPED_BLOCKS * STAMP_SIZE) faults.add(`the stamped file of disk ${disk} has ${content.length} bytes`);
    return Uint32Array.from({ length: STAMPED_BLOCKS }, (_, block) => {
      const stamp = readStamp(content.subarray(block * STAMP_SIZE, (block + 1) * STAMP_SIZE));
      if (typeof stamp === 'string' || stamp.file !== STAMPED_FILE + disk || stamp.block !== block) {
        faults.add(`block ${block} of the stamped file of disk ${disk} is ${typeof stamp === 'string' ? stamp : 'another block'}`);
        return 0;
      }
      return stamp.sequence;
    });
  });

const stepsAfter = (last: number, disks: number, seed: number): LastSteps => {
  const steps = Array.from({ length: disks }, () => new Uint32Array(STAMPED_BLOCKS));
  for (let step = 1; step <= last; step += 1) {
    const { disk, block } = placeOfStep(seed, step, disks);
    steps[disk]![block] = step;
  }
  return steps;
};

/**
 * Checks that the stamped files of all disks are as they were after exactly n overwrites, for an n that the point's instant allows: not
 * one block newer or older than that.
 */
export const checkStamps = ({ mountPoints, times, instant, seed }: StampsQuestion): Verdict => {
  const faults = createFaults();
  const found = readSteps(mountPoints, faults);
  const newest = found.reduce((best, steps) => steps.reduce((a, b) => Math.max(a, b), best), 0);
  const { atLeast, atMost } = boundsAt(times, instant);
  if (newest > atMost)
    faults.add(`overwrite ${newest} is there, but it was begun after the point's instant (the last before it was ${atMost})`);
  // The newest stamp names the prefix; where that is too short for the instant, what is missing is found by comparing with the shortest allowed.
  const last = Math.min(Math.max(newest, atLeast), Math.max(atMost, atLeast));
  for (const [disk, expected] of stepsAfter(last, mountPoints.length, seed).entries()) {
    for (const [block, step] of expected.entries()) {
      const there = found[disk]![block]!;
      if (there < step)
        faults.add(`block ${block} of disk ${disk} holds overwrite ${there} and lacks ${step}, which was before overwrite ${last}`);
      if (there > step && there <= atMost) faults.add(`block ${block} of disk ${disk} holds overwrite ${there} where ${step} was the last`);
    }
  }
  return faults.verdict('stamps', `${last} overwrites`);
};
