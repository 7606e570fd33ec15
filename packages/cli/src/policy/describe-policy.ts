import { formatBandwidthRule, formatDuration, formatWindow } from '@holdfast/daemon';
import type { Policy } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import type { Answer } from '../output/answer.ts';
import { formatCount } from '../output/format.ts';
import { describeSchedule, scheduleWords } from '../proof/schedule-options.ts';
import { type RequestCost, requestCost } from './request-cost.ts';

export interface PolicyDescription {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly pointIntervalSeconds: number;
  readonly rpoThresholdSeconds: number;
  readonly retention: string;
  readonly compression: string;
  /** 0: no points with applications at rest by themselves. */
  readonly applicationIntervalSeconds: number;
  readonly hold: string;
  readonly holdLimitMilliseconds: number;
  /** 0: as the process server has it. */
  readonly sealIntervalSeconds: number;
  readonly requestCost: RequestCost;
  /** When resynchronizations may run, by the clock of the machine; empty: whenever they are due. */
  readonly resyncWindows: readonly string[];
  /** Most bytes a second a machine sends, by its clock: the first rule that fits counts; empty: no limit. */
  readonly bandwidth: readonly string[];
  /** When points of its machines are proven by themselves; null: never. */
  readonly proof: ReturnType<typeof describeSchedule>;
  /** Id of the policy whose machines follow it on their way home; null for one of the way out. */
  readonly failbackOf: string | null;
  /** Machines that follow it. */
  readonly protections: number;
}

/** A policy as programs get it. */
export const describePolicy = (policy: Policy): PolicyDescription => ({
  id: policy.id,
  version: Number(policy.version),
  name: policy.name,
  pointIntervalSeconds: policy.pointIntervalSeconds,
  rpoThresholdSeconds: policy.rpoThresholdSeconds,
  retention: policy.retention,
  compression: policy.compression,
  applicationIntervalSeconds: policy.applicationIntervalSeconds,
  hold: policy.hold || 'never',
  holdLimitMilliseconds: policy.holdLimitMilliseconds,
  sealIntervalSeconds: policy.sealIntervalSeconds,
  requestCost: requestCost(policy),
  resyncWindows: policy.resyncWindows.map(formatWindow),
  bandwidth: policy.bandwidth.map(({ window, bytesPerSecond }) => formatBandwidthRule({ window, bytesPerSecond })),
  proof: describeSchedule(policy.proof),
  failbackOf: policy.failbackOf === '' ? null : policy.failbackOf,
  protections: policy.protections,
});

const money = (amount: number, currency: string): string => `${amount.toFixed(2)} ${currency}`;

const costWords = ({ busyPerDay, idlePerDay, busyPerMonth, idlePerMonth, currency }: RequestCost): string =>
  `${busyPerDay.toLocaleString('en-US')} requests a day for a machine that is written to (about ${money(busyPerMonth, currency)} a month), ` +
  `${idlePerDay.toLocaleString('en-US')} for an idle one (${money(idlePerMonth, currency)})`;

const seconds = (count: number): string => formatDuration(count * 1000);

export const policiesAnswer = (policies: readonly PolicyDescription[]): Answer => ({
  data: policies,
  people:
    policies.length === 0
      ? [{ line: 'There is no policy. `holdfast policy create NAME` makes one.' }]
      : [
          {
            columns: [
              { heading: 'POLICY', shrink: true },
              { heading: 'ID', optional: true },
              { heading: 'POINT EVERY', right: true },
              { heading: 'RPO ALERT', right: true },
              { heading: 'KEPT FOR', right: true },
              { heading: 'COMPRESSION', optional: true },
              { heading: 'MACHINES', right: true, optional: true },
              { heading: 'VERSION', right: true, optional: true },
            ],
            rows: policies.map((one) => [
              one.name,
              shortId(one.id, policies),
              seconds(one.pointIntervalSeconds),
              seconds(one.rpoThresholdSeconds),
              one.retention,
              one.compression,
              String(one.protections),
              String(one.version),
            ]),
          },
        ],
});

/** `outward`: the name of the policy whose machines follow this one on their way home. */
export const policyAnswer = (policy: PolicyDescription, outward?: string): Answer => ({
  data: policy,
  people: [
    { line: `Policy ${policy.name} (${policy.id}), version ${policy.version}, followed by ${formatCount(policy.protections, 'machine')}` },
    { line: `  point every  ${seconds(policy.pointIntervalSeconds)}` },
    { line: `  RPO alert    above ${seconds(policy.rpoThresholdSeconds)}` },
    { line: `  kept for     ${policy.retention}` },
    { line: `  compression  ${policy.compression}` },
    {
      line: `  applications ${policy.applicationIntervalSeconds === 0 ? 'are not asked to rest' : `at rest every ${seconds(policy.applicationIntervalSeconds)}`}`,
    },
    {
      line: `  seal         ${policy.sealIntervalSeconds === 0 ? 'as the process server has it' : `after ${seconds(policy.sealIntervalSeconds)}`}: ${costWords(policy.requestCost)}`,
    },
    { line: `  resync       ${policy.resyncWindows.length === 0 ? 'whenever it is due' : policy.resyncWindows.join('; ')}` },
    { line: `  bandwidth    ${policy.bandwidth.length === 0 ? 'no limit' : policy.bandwidth.join('; ')}` },
    { line: `  proof        ${scheduleWords(policy.proof)}` },
    ...(policy.failbackOf === null
      ? []
      : [{ line: `  for          the way home of machines that follow policy ${outward ?? policy.failbackOf}` }]),
    { line: `  hold         ${policy.hold}${policy.hold === 'never' ? '' : `, ${formatDuration(policy.holdLimitMilliseconds)} at most`}` },
  ],
});
