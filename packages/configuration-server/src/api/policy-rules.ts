import type { Policy } from '@holdfast/protocol';
import { requestInvalid } from '../request-invalid.ts';
import { checkName } from './resolve.ts';

const RETENTIONS = ['24h', '72h', '15d'];
const COMPRESSIONS = ['lz4', 'zstd', 'raw'];

const within = (field: string, value: number, least: number, most: number): void => {
  if (value < least || value > most)
    throw requestInvalid(field, `${value} is not from ${least} to ${most}`, 'choose a value in these bounds');
};

const oneOf = (field: string, value: string, words: readonly string[]): void => {
  if (!words.includes(value)) throw requestInvalid(field, `it is not one of ${words.join(', ')}`, 'choose one of these');
};

/** What a policy has that its maker said nothing of. */
export const POLICY_DEFAULTS = { pointIntervalSeconds: 5, rpoThresholdSeconds: 60, retention: '24h', compression: 'lz4' } as const;

/** Fills in defaults. */
export const completePolicy = (policy: Policy): Policy => ({
  ...policy,
  pointIntervalSeconds: policy.pointIntervalSeconds || POLICY_DEFAULTS.pointIntervalSeconds,
  rpoThresholdSeconds: policy.rpoThresholdSeconds || Math.max(POLICY_DEFAULTS.rpoThresholdSeconds, 2 * policy.pointIntervalSeconds),
  retention: policy.retention || POLICY_DEFAULTS.retention,
  compression: policy.compression || POLICY_DEFAULTS.compression,
});

/** Throws REQUEST_INVALID, naming the field. */
export const checkPolicy = ({ name, pointIntervalSeconds, rpoThresholdSeconds, retention, compression }: Policy): void => {
  checkName(name, 'policy');
  within('point_interval_seconds', pointIntervalSeconds, 1, 3600);
  within('rpo_threshold_seconds', rpoThresholdSeconds, pointIntervalSeconds, 7 * 24 * 3600);
  oneOf('retention', retention, RETENTIONS);
  oneOf('compression', compression, COMPRESSIONS);
};
