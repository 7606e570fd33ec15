import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, isAlive, type ProcessIdentity } from '../host/processes.ts';
import { createScreen } from '../output/screen.ts';
import { takeAway } from '../record/take-away.ts';
import { findStandingLab } from './lab-info.ts';

/** The programs stop in order within this, or are ended. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 50;

const endInOrder = async (owner: ProcessIdentity): Promise<void> => {
  if (!isAlive(owner)) return;
  process.kill(owner.pid, 'SIGTERM');
  const deadline = performance.now() + PATIENCE_MS;
  while (isAlive(owner) && performance.now() < deadline) await sleep(LOOK_EVERY_MS);
  await endProcess(owner);
};

/** Ends the lab and takes everything away, also what one left whose supervisor was killed. Resolves to the exit status. */
export const down = async (print: (line: string) => void): Promise<number> => {
  const found = findStandingLab();
  if (found === undefined) {
    print('There is no lab.');
    return 0;
  }
  const { directory, owner } = found.record;
  await endInOrder(owner);
  // What was noted since.
  const left = findStandingLab();
  if (left !== undefined && !(await takeAway(createScreen({ write: (text: string) => print(text.trimEnd()) }), left))) return 1;
  print(`The lab in ${directory} is down, and everything it made is gone.`);
  return 0;
};
