import type { ProofSchedule } from '@holdfast/protocol';
import { requestInvalid } from '../request-invalid.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** Whether points are proven by themselves. */
export const isScheduled = (schedule: ProofSchedule | undefined): schedule is ProofSchedule => (schedule?.everyHours ?? 0) > 0;

/** The newest moment at or before `now` at which one was due; milliseconds since 1970. */
export const lastDue = ({ everyHours, atMinute }: Pick<ProofSchedule, 'everyHours' | 'atMinute'>, now: number): number => {
  const [period, offset] = [everyHours * HOUR, atMinute * MINUTE];
  return Math.floor((now - offset) / period) * period + offset;
};

/** Milliseconds after which a proof is too old. */
export const longestAge = ({ everyHours, maxAgeHours }: Pick<ProofSchedule, 'everyHours' | 'maxAgeHours'>): number =>
  (maxAgeHours || 2 * everyHours) * HOUR;

/** What somebody asks of one proof, over what the policy asks of all: what he does not say stays as it is. */
export const checksOver = (policy: ProofSchedule | undefined, own: ProofSchedule | undefined): ProofSchedule | undefined => {
  if (policy === undefined || own === undefined) return own ?? policy;
  return {
    ...policy,
    console: own.console || policy.console,
    ports: own.ports.length > 0 ? own.ports : policy.ports,
    checkFileSystems: own.checkFileSystems || policy.checkFileSystems,
    awaitAgent: own.awaitAgent || policy.awaitAgent,
    script: own.script || policy.script,
    patienceSeconds: own.patienceSeconds || policy.patienceSeconds,
  };
};

const SCRIPT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const MOST_PORTS = 16;
const DAY = 24;

/** Throws REQUEST_INVALID, naming the field. */
export const checkSchedule = (schedule: ProofSchedule | undefined): void => {
  if (schedule === undefined) return;
  const { everyHours, atMinute, console, ports, script, patienceSeconds, maxAgeHours } = schedule;
  const refuse = (field: string, why: string, remedy: string): never => {
    throw requestInvalid(`proof.${field}`, why, remedy);
  };
  if (everyHours > 365 * DAY) refuse('every_hours', `${everyHours} is more than a year`, 'prove more often');
  if (everyHours > DAY && everyHours % DAY !== 0)
    refuse('every_hours', `${everyHours} hours are no full days`, 'give up to 24 hours, or full days');
  if (everyHours < DAY && everyHours !== 0 && DAY % everyHours !== 0)
    refuse('every_hours', `a day is no multiple of ${everyHours} hours`, 'give 1, 2, 3, 4, 6, 8, 12 or 24 hours');
  if (atMinute >= DAY * 60) refuse('at_minute', `${atMinute} is no minute of a day`, 'give 0 to 1439');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
  if (console.length > 200 || /[\u0000-\u001f\u007f]/.test(console))
    refuse('console', 'it is no line of at most 200 characters', 'give a shorter text');
  if (ports.length > MOST_PORTS || ports.some((port) => port === 0 || port > 65_535))
    refuse('ports', `${ports.join(', ').slice(0, 80)} are no ports`, `give at most ${MOST_PORTS}, each from 1 to 65535`);
  if (script !== '' && !SCRIPT.test(script))
    refuse('script', 'it is no name of a file', 'name a script in the directory of the process server');
  if (patienceSeconds > DAY * 3600) refuse('patience_seconds', `${patienceSeconds} is more than a day`, 'give less');
  if (maxAgeHours !== 0 && maxAgeHours < everyHours)
    refuse('max_age_hours', 'it is less than the time between two proofs', 'give more, or 0');
};
