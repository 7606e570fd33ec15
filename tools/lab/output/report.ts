import { writeFileSync } from 'node:fs';
import type { Victim } from '../protect.ts';

/** What a run measured; the content of `--json`. */
export interface LabReport {
  readonly points: { readonly made: number; readonly verified: number; readonly bad: number };
  /** Generations begun because continuity could not be proven. */
  readonly resyncs: number;
  /** SIGKILLs. */
  readonly kills: Readonly<Record<Victim, number>>;
  /** Sampled every second from the first point on; null where no sample was taken. */
  readonly rpoSeconds: { readonly p50: number | null; readonly p95: number | null; readonly max: number | null };
  readonly initial: { readonly megabytesPerSecond: number };
  /** `changed`: of all cuts after the first copy; `sent`: the frames of those; `stored`: everything in the vault. */
  readonly bytes: { readonly changed: number; readonly sent: number; readonly stored: number };
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

const round = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;

const quantile = (sorted: readonly number[], share: number): number | null => {
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : round(value, 3);
};

/** p50, p95 and max of samples in any order. */
export const summarize = (samples: readonly number[]): LabReport['rpoSeconds'] => {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), max: quantile(sorted, 1) };
};

const roundReport = (report: LabReport): LabReport => ({
  ...report,
  initial: { megabytesPerSecond: round(report.initial.megabytesPerSecond, 1) },
  cpuSeconds: Object.fromEntries(Object.entries(report.cpuSeconds).map(([name, seconds]) => [name, round(seconds, 2)])),
});

export const writeReport = (file: string, report: LabReport): void =>
  writeFileSync(file, `${JSON.stringify(roundReport(report), null, 2)}\n`);
