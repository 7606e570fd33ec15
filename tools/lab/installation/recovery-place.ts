import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Recorder } from '../record/run-record.ts';

/** What a process server takes for `recovery.directory`, less `vm` below it: Unix sockets are in there, whose names have 107 bytes at most (unix(7)). */
const LONGEST = 57;

/**
 * Makes the directory for the machines that are recovered in the lab, and notes it: they outlive the process server. In the run's directory, or where that has
 * too long a name in `elsewhere`.
 */
export const makeRecoveryPlace = ({ id, record, note }: Pick<Recorder, 'id' | 'record' | 'note'>, elsewhere = '/tmp'): string => {
  const within = path.join(record.directory, 'recovery');
  const place = Buffer.byteLength(within) <= LONGEST ? within : path.join(elsewhere, `holdfast-lab-recovery-${id}`);
  // Noted once it is ours: what is noted is removed.
  mkdirSync(place, { mode: 0o700 });
  note({ recoveries: [place] });
  return place;
};
