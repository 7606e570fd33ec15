export type { Check, CheckOptions, CheckResult, Health, HealthReport } from './health/health.ts';
export type { Log, LogFields } from './log/log.ts';
export type { MetricOptions, Metrics } from './metrics/metrics.ts';
export type { CommonSchema } from './program/common-settings.ts';
export type { Program, ProgramContext } from './program/program.ts';
export { runProgram } from './program/run-program.ts';
export { type Address, address, bytes, duration, filePath, flag, integer, list, oneOf, secret, text, url } from './settings/kinds.ts';
export type { Secret } from './settings/secret.ts';
export { type Fields, type Schema, type Section, type Setting, section, type Table, table, type Values } from './settings/setting.ts';
