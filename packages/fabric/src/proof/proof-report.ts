import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import type { Proof } from '@holdfast/vault';

/** One thing that was done or looked at. */
export interface ProofStep {
  /** `adapt`, `start`, `console`, `tcp 22`, `file systems`, `script` … */
  readonly name: string;
  readonly passed: boolean;
  /** For people. */
  readonly detail: string;
  readonly seconds: number;
}

interface Sum {
  readonly sha256: string;
  readonly bytes: number;
}

/** What is signed. docs/format.md, "Proofs". */
export interface ProofReport {
  readonly form: 1;
  /** Ids. */
  readonly vault: string;
  readonly machine: string;
  readonly machineName: string;
  readonly point: string;
  /** Milliseconds since 1970. */
  readonly pointTime: number;
  /** The newest slot of the machine's log that counted then. */
  readonly head: { readonly sequence: number; readonly tag: string };
  readonly started: number;
  readonly ended: number;
  readonly passed: boolean;
  readonly steps: readonly ProofStep[];
  readonly adaptation: readonly string[];
  /** What ran the machine: `kvm`, `tcg`. */
  readonly acceleration: string;
  readonly console: Sum;
  readonly screenshot: Sum;
}

const sumOf = (bytes: Uint8Array): Sum => ({ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length });

export interface Evidence {
  readonly console: Uint8Array;
  /** PNG; empty where there was none. */
  readonly screenshot: Uint8Array;
}

/** A signing key: Ed25519, PKCS #8 in PEM. Errors: SETTING_INVALID. */
export const readSigningKey = (pem: string, thing: string): KeyObject => {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Told below.
  }
  throw new HoldfastError('SETTING_INVALID', {
    thing,
    why: 'it is no Ed25519 key in PEM',
    remedy: 'make one: `openssl genpkey -algorithm ed25519 -out proof.key`',
  });
};

/** SHA-256 of the public half (SubjectPublicKeyInfo), in hexadecimal: what people compare. */
export const signerFingerprint = (publicKey: Uint8Array): string => createHash('sha256').update(publicKey).digest('hex');

/** The report, signed, as the vault keeps it. */
export const signReport = (report: Omit<ProofReport, 'form' | 'console' | 'screenshot'>, evidence: Evidence, key: KeyObject): Proof => {
  const whole: ProofReport = { form: 1, ...report, console: sumOf(evidence.console), screenshot: sumOf(evidence.screenshot) };
  const bytes = Buffer.from(JSON.stringify(whole, null, 2));
  return {
    pointId: report.point,
    time: report.ended,
    passed: report.passed,
    report: bytes,
    signature: sign(null, bytes, key),
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    ...evidence,
  };
};

export interface Verdict {
  /** Undefined where it is no report. */
  readonly report: ProofReport | undefined;
  /** SHA-256 of the public key that it is signed by. */
  readonly signer: string;
  /** Why it proves nothing; empty when it is good. */
  readonly faults: readonly string[];
}

export interface ExpectedProof {
  /** Id of the vault and of the machine that it lies in. */
  readonly vault: string;
  readonly machine: string;
  /** Fingerprints of keys that are trusted; every key is when there is none. */
  readonly signers?: readonly string[];
  /** The tags of the slots of the log that are there, by sequence: a report that names another one is of another history. */
  readonly tags?: ReadonlyMap<number, string>;
}

/** Whether a proof is what somebody signed, about this machine. */
export const verifyProof = (proof: Proof, expected: ExpectedProof): Verdict => {
  const signer = signerFingerprint(proof.publicKey);
  const faults: string[] = [];
  if (expected.signers !== undefined && !expected.signers.includes(signer))
    faults.push(`it is signed by ${signer}, whom nobody here trusts`);
  if (!isSigned(proof)) return { report: undefined, signer, faults: [...faults, 'its signature is not that of its report'] };
  const report = parseReport(proof.report);
  if (report === undefined) return { report, signer, faults: [...faults, 'its report is none that is known'] };
  if (report.vault !== expected.vault || report.machine !== expected.machine) faults.push('it is about another machine or vault');
  if (report.point !== proof.pointId || report.passed !== proof.passed) faults.push('its record says something else than its report');
  if (report.passed && report.steps.some(({ passed }) => !passed)) faults.push('it says that all is well, and names a step that failed');
  for (const part of ['console', 'screenshot'] as const)
    if (report[part].sha256 !== sumOf(proof[part]).sha256) faults.push(`its ${part} is not the one that was signed`);
  const tag = expected.tags?.get(report.head.sequence);
  if (tag !== undefined && tag !== report.head.tag) faults.push(`slot ${report.head.sequence} of the log is another one than it names`);
  return { report, signer, faults };
};

const isSigned = ({ report, signature, publicKey }: Proof): boolean => {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' && verify(null, report, key, signature);
  } catch {
    return false;
  }
};

const parseReport = (bytes: Uint8Array): ProofReport | undefined => {
  try {
    const report = JSON.parse(Buffer.from(bytes).toString('utf8')) as ProofReport;
    const isWhole =
      report.form === 1 &&
      typeof report.point === 'string' &&
      typeof report.passed === 'boolean' &&
      Array.isArray(report.steps) &&
      Number.isSafeInteger(report.head.sequence) &&
      typeof report.head.tag === 'string' &&
      typeof report.console.sha256 === 'string' &&
      typeof report.screenshot.sha256 === 'string';
    return isWhole ? report : undefined;
  } catch {
    return undefined;
  }
};
