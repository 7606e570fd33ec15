import type { Proof, UnusualWriting } from '@holdfast/protocol';
import { formatBytes, formatTime } from '../output/format.ts';

/** What came of starting a point in isolation, as programs get it. */
export interface ProofDescription {
  readonly number: number;
  readonly point: string;
  /** Of the point, and when it was tried. */
  readonly time: string;
  readonly proven: string;
  readonly passed: boolean;
  readonly signer: string;
  readonly faults: readonly string[];
  readonly steps: readonly { readonly name: string; readonly passed: boolean; readonly detail: string; readonly seconds: number }[];
}

export const describeProof = (proof: Proof | undefined): ProofDescription | null =>
  proof === undefined
    ? null
    : {
        number: Number(proof.number),
        point: proof.pointId,
        time: formatTime(Number(proof.pointUnixMillis)),
        proven: formatTime(Number(proof.provenUnixMillis)),
        passed: proof.passed,
        signer: proof.signer,
        faults: proof.faults,
        steps: proof.steps.map(({ name, passed, detail, seconds }) => ({ name, passed, detail, seconds })),
      };

/** "5f3c12ab of 2026-…, proven 2026-… (proof 3)" */
export const provenWords = ({ point, time, proven, number }: ProofDescription): string =>
  `${point.slice(0, 12)} of ${time}, proven ${proven} (proof ${number})`;

/** "console: waited in vain" */
export const failureWords = ({ steps, faults }: ProofDescription): string =>
  [...steps.filter(({ passed }) => !passed).map(({ name, detail }) => `${name}: ${detail}`), ...faults].join('; ');

/** A time in which a machine wrote as it never did before. */
export const describeWriting = (writing: UnusualWriting) => ({
  from: formatTime(Number(writing.fromUnixMillis)),
  to: formatTime(Number(writing.toUnixMillis)),
  pointBefore: writing.pointBefore,
  timeBefore: writing.pointBefore === '' ? '' : formatTime(Number(writing.beforeUnixMillis)),
  dataBytes: Number(writing.dataBytes),
  incompressibleBytes: Number(writing.incompressibleBytes),
  usualBytes: Number(writing.usualBytes),
  ...(writing.overwrittenShare < 0 ? {} : { overwrittenShare: writing.overwrittenShare }),
  suspicious: writing.suspicious,
});
export type SiteWriting = ReturnType<typeof describeWriting>;

export const writingLines = ({
  from,
  to,
  pointBefore,
  timeBefore,
  incompressibleBytes,
  usualBytes,
  overwrittenShare,
  suspicious,
}: SiteWriting) => [
  {
    line: `${suspicious ? 'SUSPICIOUS' : 'Unusual'} writing from ${from} to ${to}: ${formatBytes(incompressibleBytes)} that do not compress (usual within 5 min: ${formatBytes(usualBytes)})${
      overwrittenShare === undefined ? '' : `, ${Math.round(overwrittenShare * 100)} % over data that was there`
    }.`,
  },
  ...(pointBefore === '' ? [] : [{ line: `Last point before it: ${pointBefore} of ${timeBefore}` }]),
];
