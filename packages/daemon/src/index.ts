export { type CheckAnswerer, createCheckAnswerer } from './checks/answer-checks.ts';
export type {
  AgentControl,
  AgentControlOptions,
  AgentGreeting,
  Control,
  ControlState,
  ServerControl,
  ServerControlOptions,
  ServerGreeting,
} from './control/control.ts';
export { fetchBackup } from './control/fetch-backup.ts';
export { holdAgentControl, holdServerControl } from './control/hold-control.ts';
export type { Check, CheckOptions, CheckResult, Health, HealthReport } from './health/health.ts';
export type { Log, LogFields } from './log/log.ts';
export { redactText } from './log/redact.ts';
export { awaitMembership } from './membership/await-membership.ts';
export { aboutTime } from './membership/certificate-times.ts';
export { type HardwareSources, readHardwareIdentity } from './membership/hardware-identity.ts';
export { readIdentity } from './membership/identity-file.ts';
export { type JoinCommandOptions, joinCommand } from './membership/join-command.ts';
export { type Joined, type JoinOptions, joinSite } from './membership/join-site.ts';
export type { HardwareIdentity, MemberRole } from './membership/member.ts';
export { type MemberSchema, memberSettings } from './membership/member-settings.ts';
export type { Membership, MembershipOptions } from './membership/membership.ts';
export { openMembership } from './membership/open-membership.ts';
export { sameHardware } from './membership/same-hardware.ts';
export { useServerCommand } from './membership/use-server-command.ts';
export {
  encodeWhereabouts,
  parseWhereabouts,
  readWhereabouts,
  tellable,
  type Whereabouts,
  whereaboutsText,
} from './membership/whereabouts.ts';
export type { MetricOptions, Metrics } from './metrics/metrics.ts';
export { carryBallast } from './program/carry-ballast.ts';
export { type Command, type CommandContext, defineCommand } from './program/command.ts';
export type { CommonSchema } from './program/common-settings.ts';
export { completeSchema } from './program/execute-program.ts';
export { giveBackFreed } from './program/give-back-freed.ts';
export { keepFreedMemory } from './program/keep-freed-memory.ts';
export { keepMemorySmall } from './program/keep-memory-small.ts';
export type { Program, ProgramContext } from './program/program.ts';
export { runProgram } from './program/run-program.ts';
export { tuneMemory } from './program/tune-memory.ts';
export { createRate, type Rate } from './rate/rate.ts';
export { findTrustedScript, requireTrusted } from './script/trusted-script.ts';
export { formatBandwidthRule, parseBandwidthRule, type WrittenBandwidthRule } from './settings/bandwidth-rule.ts';
export { settingsMarkdown } from './settings/describe-settings.ts';
export {
  type Address,
  address,
  bandwidthRule,
  bytes,
  duration,
  filePath,
  flag,
  formatAddress,
  integer,
  list,
  oneOf,
  secret,
  text,
  url,
} from './settings/kinds.ts';
export { formatBytes, formatDuration, parseBytes, parseDuration } from './settings/quantities.ts';
export type { Secret } from './settings/secret.ts';
export {
  type Fields,
  type Schema,
  type Section,
  type Setting,
  section,
  type Table,
  table,
  type Values,
  type ValuesOf,
} from './settings/setting.ts';
export { formatWindow, parseWindow, type WrittenWindow } from './settings/time-window.ts';
export type { BackOffOptions } from './supervise/back-off.ts';
export type { SupervisedProgram } from './supervise/child.ts';
export { type SupervisedState, type SuperviseOptions, type Supervision, supervise } from './supervise/supervise.ts';
export { VERSION } from './version.ts';
