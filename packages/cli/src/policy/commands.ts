import { create } from '@bufbuild/protobuf';
import { parseBandwidthRule, type WrittenBandwidthRule } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { BandwidthRuleSchema, type Policy, TimeWindowSchema } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { type ConfirmOptions, yesOption } from '../confirm.ts';
import { confirmRetention } from '../confirm-retention.ts';
import { parseCount } from '../parse-count.ts';
import { parseMilliseconds } from '../parse-milliseconds.ts';
import { RETENTIONS, retentionText } from '../parse-retention.ts';
import { parseSeconds } from '../parse-seconds.ts';
import { type ScheduleOptions, scheduleOptions, scheduleTold } from '../proof/schedule-options.ts';
import { limitOption } from '../site/limit-option.ts';
import { required } from '../site/required.ts';
import { findPolicy, readPolicies } from '../site/resources.ts';
import { type WatchOptions, watchOption } from '../site/watch-answer.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';
import { describePolicy, policiesAnswer, policyAnswer } from './describe-policy.ts';
import { parseWindow } from './time-window.ts';

/** What a policy says; what is not told stays as it is, or as the server has it for new policies. */
interface PolicyOptions extends SiteOptions, ScheduleOptions {
  readonly pointInterval?: number;
  readonly rpoThreshold?: number;
  readonly retention?: string;
  readonly compression?: string;
  readonly applicationInterval?: number;
  readonly hold?: string;
  readonly holdLimit?: number;
  readonly sealInterval?: number;
  readonly resyncWindow?: readonly Window[];
  readonly bandwidth?: readonly WrittenBandwidthRule[];
}

export const COMPRESSIONS = ['lz4', 'zstd', 'raw'];
export const HOLDS = ['never', 'throttle', 'freeze', 'snapshot'];

type Window = ReturnType<typeof parseWindow>;

/** Windows given one by one; "any" is none of them. */
const gatherWindows = (text: string, before: readonly Window[] = []): Window[] => (text === 'any' ? [] : [...before, parseWindow(text)]);

/** Rules given one by one; "off" is none of them. Error: SETTING_INVALID. */
const gatherRules = (text: string, before: readonly WrittenBandwidthRule[] = []): WrittenBandwidthRule[] => {
  if (text === 'off') return [];
  try {
    return [...before, parseBandwidthRule(text)];
  } catch (reason) {
    throw new HoldfastError('SETTING_INVALID', {
      thing: JSON.stringify(text),
      why: (reason as Error).message,
      remedy: "give one like 'mon-fri 08:00-18:00 2MiB', 'sat,sun unlimited' or 20MiB; off for no limit at all",
    });
  }
};

/** Seconds; 0 for "off". */
const parseInterval = (text: string): number => (text === 'off' ? 0 : parseSeconds(text));

const policyOptions = (command: Command): Command =>
  scheduleOptions(siteOptions(command))
    .addOption(new Option('--point-interval <time>', 'time between two recovery points: 5s, 1min, 1h').argParser(parseSeconds))
    .addOption(new Option('--rpo-threshold <time>', 'alert when more than this would be lost: 15min').argParser(parseSeconds))
    .addOption(
      new Option('--retention <grid>', "how long points are kept; or a grid: 'all 2h, 1h 3d, 1d 90d, 1w 7y'")
        .choices(RETENTIONS)
        .argParser(retentionText),
    )
    .addOption(new Option('--compression <kind>', 'how data is compressed on its way').choices(COMPRESSIONS))
    .addOption(
      new Option('--application-interval <time>', 'time between two points with applications at rest: 1h, off').argParser(parseInterval),
    )
    .addOption(new Option('--hold <how>', 'what may be done to writers that let no point be made').choices(HOLDS))
    .addOption(
      new Option('--hold-limit <time>', 'longest time that writers are held still at once: 500ms, 5s').argParser(parseMilliseconds),
    )
    .addOption(
      new Option(
        '--seal-interval <time>',
        'gather changes this long for one object of the vault: 5s, 1min; off: as the process server has it',
      ).argParser(parseInterval),
    )
    .addOption(
      new Option(
        '--resync-window <window>',
        "when resynchronizations may run: 'mon-fri 18:00-06:00'; may be given again; any: always",
      ).argParser(gatherWindows),
    )
    .addOption(
      new Option(
        '--bandwidth <rule>',
        "most bytes a second a machine sends: 'mon-fri 08:00-18:00 2MiB', 20MiB; may be given again, the first that fits counts; off: no limit",
      ).argParser(gatherRules),
    );

const toldBy = ({
  pointInterval,
  rpoThreshold,
  retention,
  compression,
  applicationInterval,
  hold,
  holdLimit,
  sealInterval,
  resyncWindow,
  bandwidth,
}: PolicyOptions): Partial<Omit<Policy, '$typeName' | '$unknown'>> => ({
  ...(pointInterval !== undefined && { pointIntervalSeconds: pointInterval }),
  ...(rpoThreshold !== undefined && { rpoThresholdSeconds: rpoThreshold }),
  ...(retention !== undefined && { retention }),
  ...(compression !== undefined && { compression }),
  ...(applicationInterval !== undefined && { applicationIntervalSeconds: applicationInterval }),
  ...(hold !== undefined && { hold }),
  ...(holdLimit !== undefined && { holdLimitMilliseconds: holdLimit }),
  ...(sealInterval !== undefined && { sealIntervalSeconds: sealInterval }),
  ...(resyncWindow !== undefined && { resyncWindows: resyncWindow.map((window) => create(TimeWindowSchema, window)) }),
  ...(bandwidth !== undefined && { bandwidth: bandwidth.map((rule) => create(BandwidthRuleSchema, rule)) }),
});

/** When points are proven, over what the policy says of that so far. */
const proofTold = (options: PolicyOptions, before?: Policy): Partial<Pick<Policy, 'proof'>> => {
  const proof = scheduleTold(options, before?.proof);
  return proof === undefined ? {} : { proof };
};

const POLICY_ARGUMENT = ['<policy>', 'name or id'] as const;

export const listPoliciesCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').description('list the policies'))
    .addOption(limitOption())
    .addOption(watchOption())
    .action((options: SiteOptions & WatchOptions & { limit?: number }) =>
      answerFromSite(surroundings, options, async (site) => policiesAnswer((await readPolicies(site, options.limit)).map(describePolicy))),
    );

export const showPolicyCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('show').description('tell what a policy says').argument(...POLICY_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const policy = describePolicy(await findPolicy(site, word));
        const outward = policy.failbackOf === null ? undefined : await findPolicy(site, policy.failbackOf);
        return policyAnswer(policy, outward?.name);
      }),
  );

const CREATE_HELP = `
Example:
  holdfast policy create gold --point-interval 5s --rpo-threshold 1min --retention 15d
  holdfast policy create databases --application-interval 1h --hold throttle --hold-limit 2s`;

export const createPolicyCommand = (surroundings: Surroundings): Command =>
  policyOptions(new Command('create').description('make a policy').argument('<name>', 'what people call it'))
    .addHelpText('after', CREATE_HELP)
    .action((name: string, options: PolicyOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { policy } = await site.policies.createPolicy({ policy: { name, ...toldBy(options), ...proofTold(options) } });
        return policyAnswer(describePolicy(required(policy, `policy ${name}`)));
      }),
    );

interface SetOptions extends PolicyOptions, ConfirmOptions {
  readonly name?: string;
  readonly ifVersion?: number;
}

const SET_HELP = `
Changes what is told and leaves the rest; machines that follow the policy do so at once. A retention that
keeps less than before, of machines that follow it, is asked about first: it deletes points. When somebody
else changes it at the same time, one of both is refused and nothing is mixed. A program that decided on
what it read before names that version with --if-version.

Examples:
  holdfast policy set gold --rpo-threshold 30s
  holdfast policy set gold --name platinum
  holdfast policy set gold --retention 72h --if-version 4`;

export const setPolicyCommand = (surroundings: Surroundings): Command =>
  policyOptions(new Command('set').description('change a policy').argument(...POLICY_ARGUMENT))
    .addOption(new Option('--name <name>', 'call it so from now on'))
    .addOption(new Option('--if-version <version>', 'only if it is still the one that was read').argParser(parseCount))
    .addOption(yesOption())
    .addHelpText('after', SET_HELP)
    .action((word: string, options: SetOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const changes = { ...toldBy(options), ...proofTold(options), ...(options.name !== undefined && { name: options.name }) };
        if (Object.keys(changes).length === 0)
          throw new HoldfastError('SETTING_INVALID', {
            thing: 'command line',
            why: 'nothing is to be changed',
            remedy: 'see `holdfast policy set --help`',
          });
        const before = await findPolicy(site, word);
        const { name, protections } = before;
        if (options.retention !== undefined && protections > 0) {
          const whose = `the machines that follow policy ${name}: ${protections}`;
          await confirmRetention(surroundings, options, { before, after: options.retention, whose, word: name });
        }
        const version = options.ifVersion === undefined ? before.version : BigInt(options.ifVersion);
        const { policy } = await site.policies.updatePolicy({ policy: { ...before, ...changes, ...proofTold(options, before), version } });
        return policyAnswer(describePolicy(required(policy, `policy ${word}`)));
      }),
    );

export const deletePolicyCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('delete').description('delete a policy that no machine follows').argument(...POLICY_ARGUMENT)).action(
    (word: string, options: SiteOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id, name, version } = await findPolicy(site, word);
        await site.policies.deletePolicy({ policy: id, version });
        return { data: { id, name, deleted: true }, people: [{ line: `Policy ${name} (${id}) is deleted.` }] };
      }),
  );
