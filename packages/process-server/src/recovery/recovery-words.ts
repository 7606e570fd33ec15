import type { RecoveryStep } from '@holdfast/fabric';
import { RecoveryGoal } from '@holdfast/protocol';

/** What a step of the fabric's library is called, for people. */
export const STEP_WORDS: Readonly<Record<RecoveryStep, string>> = {
  holding: 'the point is being held',
  opening: 'the disks are being opened at the point',
  adapting: 'the disks are being adapted to the fabric',
  creating: 'the machine is being made',
  starting: 'the machine is being started',
  ready: 'the machine runs',
};

/** What is so once a goal is reached. */
export const DONE_WORDS: Readonly<Record<number, string>> = {
  [RecoveryGoal.UNSPECIFIED]: '',
  [RecoveryGoal.HELD]: 'the point is held',
  [RecoveryGoal.FENCED]: 'the source is fenced',
  [RecoveryGoal.RUNNING]: 'the machine runs',
  [RecoveryGoal.INDEPENDENT]: 'the machine runs and needs the vault no more',
  [RecoveryGoal.DISCARDED]: 'the machine is gone',
  [RecoveryGoal.RELEASED]: 'all that was made is gone',
  [RecoveryGoal.FORGOTTEN]: 'the machine stays as it is, and nobody looks after it',
};
