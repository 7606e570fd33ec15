import { type Policy, windowProblem } from '@holdfast/protocol';
import { parseRetention } from '@holdfast/vault';
import { checkSchedule } from '../proofs/proof-schedule.ts';
import { requestInvalid } from '../request-invalid.ts';
import { checkName } from './resolve.ts';

const COMPRESSIONS = ['lz4', 'zstd', 'raw'];
const HOLDS = ['never', 'throttle', 'freeze', 'snapshot'];

const within = (field: string, value: number, least: number, most: number): void => {
  if (value < least || value > most)
    throw requestInvalid(field, `${value} is not from ${least} to ${most}`, 'choose a value in these bounds');
};

const oneOf = (field: string, value: string, words: readonly string[]): void => {
  if (!words.includes(value)) throw requestInvalid(field, `it is not one of ${words.join(', ')}`, 'choose one of these');
};

const MOST_WINDOWS = 28;

const checkWindows = (field: string, windows: Policy['resyncWindows']): void => {
  if (windows.length > MOST_WINDOWS) throw requestInvalid(field, `there are ${windows.length}`, `name at most ${MOST_WINDOWS}`);
  for (const window of windows) {
    const problem = windowProblem(window);
    if (problem !== undefined) throw requestInvalid(field, problem, 'name days from 1 to 7 and minutes of a day');
  }
};

/** Slower than this a frame would take longer than a stream may be silent. */
const SLOWEST = 16 * 1024;

const checkBandwidth = (rules: Policy['bandwidth']): void => {
  checkWindows(
    'bandwidth',
    rules.flatMap(({ window }) => window ?? []),
  );
  if (rules.length > MOST_WINDOWS) throw requestInvalid('bandwidth', `there are ${rules.length}`, `name at most ${MOST_WINDOWS}`);
  for (const { bytesPerSecond } of rules)
    if (bytesPerSecond !== 0n && (bytesPerSecond < BigInt(SLOWEST) || bytesPerSecond > BigInt(Number.MAX_SAFE_INTEGER)))
      throw requestInvalid(
        'bandwidth',
        `${bytesPerSecond} bytes a second are not to be had`,
        `give ${SLOWEST} at least, or 0 for no limit`,
      );
};

/** What a policy has that its maker said nothing of. */
const POLICY_DEFAULTS = {
  pointIntervalSeconds: 5,
  rpoThresholdSeconds: 60,
  retention: '24h',
  compression: 'lz4',
  hold: 'never',
  holdLimitMilliseconds: 5000,
} as const;

/** Fills in defaults. */
export const completePolicy = (policy: Policy): Policy => ({
  ...policy,
  pointIntervalSeconds: policy.pointIntervalSeconds || POLICY_DEFAULTS.pointIntervalSeconds,
  rpoThresholdSeconds: policy.rpoThresholdSeconds || Math.max(POLICY_DEFAULTS.rpoThresholdSeconds, 2 * policy.pointIntervalSeconds),
  retention: policy.retention || POLICY_DEFAULTS.retention,
  compression: policy.compression || POLICY_DEFAULTS.compression,
  hold: policy.hold || POLICY_DEFAULTS.hold,
  holdLimitMilliseconds: policy.holdLimitMilliseconds || POLICY_DEFAULTS.holdLimitMilliseconds,
});

/** Throws REQUEST_INVALID, naming the field. */
export const checkPolicy = (policy: Policy): void => {
  checkName(policy.name, 'policy');
  within('point_interval_seconds', policy.pointIntervalSeconds, 1, 3600);
  within('rpo_threshold_seconds', policy.rpoThresholdSeconds, policy.pointIntervalSeconds, 7 * 24 * 3600);
  const retention = parseRetention(policy.retention);
  if ('problem' in retention) throw requestInvalid('retention', retention.problem, 'name a preset, or a grid, finest first');
  oneOf('compression', policy.compression, COMPRESSIONS);
  if (policy.applicationIntervalSeconds !== 0) within('application_interval_seconds', policy.applicationIntervalSeconds, 5 * 60, 12 * 3600);
  oneOf('hold', policy.hold, HOLDS);
  within('hold_limit_milliseconds', policy.holdLimitMilliseconds, 100, 60_000);
  if (policy.sealIntervalSeconds !== 0) {
    within('seal_interval_seconds', policy.sealIntervalSeconds, 1, 300);
    // What is gathered is not safe yet: an alert that cannot be avoided is none.
    within('seal_interval_seconds', policy.sealIntervalSeconds, 1, policy.rpoThresholdSeconds);
  }
  checkWindows('resync_windows', policy.resyncWindows);
  checkBandwidth(policy.bandwidth);
  checkSchedule(policy.proof);
};
