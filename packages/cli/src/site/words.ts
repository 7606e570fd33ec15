// What the numbers of the API are called.

import { HoldfastError } from '@holdfast/errors';
import { CheckResult, Direction, DiskPhase, Health, JobState, PersonRole, ProtectionState, Role, Severity } from '@holdfast/protocol';
import type { Cell } from '../output/table.ts';
import type { Tone } from '../output/tone.ts';

/** A state of a newer server than this command. */
const UNKNOWN = 'unknown';

const PROTECTION_STATES: Readonly<Record<ProtectionState, string>> = {
  [ProtectionState.UNSPECIFIED]: UNKNOWN,
  [ProtectionState.PREPARING]: 'preparing',
  [ProtectionState.COPYING]: 'copying',
  [ProtectionState.PROTECTED]: 'protected',
  [ProtectionState.RESYNCHRONIZING]: 'resynchronizing',
  [ProtectionState.FAILED_OVER]: 'failed over',
  [ProtectionState.COMMITTED]: 'committed',
  [ProtectionState.REPROTECTING]: 'reprotecting',
  [ProtectionState.STOPPING]: 'stopping',
  [ProtectionState.FAILED]: 'failed',
  [ProtectionState.FAILING_OVER]: 'failing over',
  [ProtectionState.CANCELLING]: 'cancelling',
  [ProtectionState.COMMITTING]: 'committing',
  [ProtectionState.PROTECTED_BACK]: 'protected back',
  [ProtectionState.FAILING_BACK]: 'failing back',
  [ProtectionState.FAILED_BACK]: 'failed back',
};

const DISK_PHASES: Readonly<Record<DiskPhase, string>> = {
  [DiskPhase.UNSPECIFIED]: UNKNOWN,
  [DiskPhase.UNPROTECTED]: 'unprotected',
  [DiskPhase.COPYING]: 'copying',
  [DiskPhase.RESYNCHRONIZING]: 'resynchronizing',
  [DiskPhase.REPLICATING]: 'replicating',
  [DiskPhase.TRACKING]: 'tracking',
  [DiskPhase.FAILED]: 'failed',
};

const HEALTHS: Readonly<Record<Health, string>> = {
  [Health.UNSPECIFIED]: UNKNOWN,
  [Health.HEALTHY]: 'healthy',
  [Health.WARNING]: 'warning',
  [Health.CRITICAL]: 'critical',
};

const JOB_STATES: Readonly<Record<JobState, string>> = {
  [JobState.UNSPECIFIED]: UNKNOWN,
  [JobState.QUEUED]: 'queued',
  [JobState.RUNNING]: 'running',
  [JobState.WAITING_FOR_INPUT]: 'waiting for input',
  [JobState.SUCCEEDED]: 'succeeded',
  [JobState.FAILED]: 'failed',
  [JobState.CANCELLED]: 'cancelled',
};

const SEVERITIES: Readonly<Record<Severity, string>> = {
  [Severity.UNSPECIFIED]: UNKNOWN,
  [Severity.INFORMATION]: 'information',
  [Severity.WARNING]: 'warning',
  [Severity.CRITICAL]: 'critical',
};

const ROLES: Readonly<Record<Role, string>> = {
  [Role.UNSPECIFIED]: UNKNOWN,
  [Role.AGENT]: 'agent',
  [Role.PROCESS_SERVER]: 'process-server',
  [Role.MASTER_TARGET]: 'master-target',
};

const PERSON_ROLE_WORDS: Readonly<Record<PersonRole, string>> = {
  [PersonRole.UNSPECIFIED]: UNKNOWN,
  [PersonRole.READER]: 'reader',
  [PersonRole.OPERATOR]: 'operator',
  [PersonRole.ADMINISTRATOR]: 'administrator',
};
/** What people and tools may be, each of which may do what those before may. */
export const PERSON_ROLES = ['reader', 'operator', 'administrator'];

const DIRECTIONS: Readonly<Record<Direction, string>> = {
  [Direction.UNSPECIFIED]: UNKNOWN,
  [Direction.FORWARD]: 'forward',
  [Direction.REVERSE]: 'reverse',
};

const CHECK_RESULTS: Readonly<Record<CheckResult, string>> = {
  [CheckResult.UNSPECIFIED]: UNKNOWN,
  [CheckResult.PASSED]: 'passed',
  [CheckResult.WARNING]: 'warning',
  [CheckResult.FAILED]: 'failed',
  [CheckResult.UNKNOWN]: UNKNOWN,
};

export const checkResultWord = (result: CheckResult): string => CHECK_RESULTS[result] ?? UNKNOWN;
export const protectionStateWord = (state: ProtectionState): string => PROTECTION_STATES[state] ?? UNKNOWN;
export const diskPhaseWord = (phase: DiskPhase): string => DISK_PHASES[phase] ?? UNKNOWN;
export const healthWord = (health: Health): string => HEALTHS[health] ?? UNKNOWN;
export const jobStateWord = (state: JobState): string => JOB_STATES[state] ?? UNKNOWN;
export const severityWord = (severity: Severity): string => SEVERITIES[severity] ?? UNKNOWN;
export const roleWord = (role: Role): string => ROLES[role] ?? UNKNOWN;
export const personRoleWord = (role: PersonRole): string => PERSON_ROLE_WORDS[role] ?? UNKNOWN;
export const directionWord = (direction: Direction): string => DIRECTIONS[direction] ?? UNKNOWN;

/** Words that are good news, and those that somebody should look at. Words of other kinds are neither. */
const TONES: Readonly<Record<string, Tone>> = {
  healthy: 'good',
  protected: 'good',
  replicating: 'good',
  succeeded: 'good',
  passed: 'good',
  connected: 'good',
  committed: 'good',
  copying: 'warning',
  resynchronizing: 'warning',
  preparing: 'warning',
  reprotecting: 'warning',
  stopping: 'warning',
  tracking: 'warning',
  warning: 'warning',
  'waiting for input': 'warning',
  'failed over': 'warning',
  failed: 'bad',
  critical: 'bad',
  away: 'bad',
  unprotected: 'quiet',
  cancelled: 'quiet',
  information: 'quiet',
};

/** A word in the colour of its news. */
export const stateCell = (word: string): Cell => {
  const tone = TONES[word];
  return tone === undefined ? word : { text: word, tone };
};

/** The value whose word is `word`, for options that take one. */
const parserOf = <V extends number>(words: Readonly<Record<V, string>>, option: string) => {
  const known = Object.entries<string>(words).filter(([, word]) => word !== UNKNOWN);
  return (word: string): V => {
    const found = known.find(([, one]) => one === word);
    if (found !== undefined) return Number(found[0]) as V;
    throw new HoldfastError('SETTING_INVALID', {
      thing: `${option} ${word}`,
      why: 'it is not known',
      remedy: `give one of ${known.map(([, one]) => one).join(', ')}`,
    });
  };
};

export const parseSeverity = parserOf(SEVERITIES, '--severity');
export const parseJobState = parserOf(JOB_STATES, '--state');
export const parseRole = parserOf(ROLES, '--role');
export const parsePersonRole = parserOf(PERSON_ROLE_WORDS, '--role');
