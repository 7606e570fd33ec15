import { generateKeyPairSync } from 'node:crypto';
import type { Proof } from '@holdfast/vault';
import { readSigningKey, signerFingerprint, signReport, verifyProof } from './proof-report.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const evidence = { console: Buffer.from('login: '), screenshot: Buffer.from('picture') };
const good = {
  vault: 'v',
  machine: 'm',
  machineName: 'db1',
  point: 'aa'.repeat(16),
  pointTime: 1,
  head: { sequence: 7, tag: 'ff' },
  started: 2,
  ended: 3,
  passed: true,
  steps: [{ name: 'start', passed: true, detail: '', seconds: 1 }],
  adaptation: [],
  acceleration: 'tcg',
};
const expected = { vault: 'v', machine: 'm', tags: new Map([[7, 'ff']]) };
const signed = (changes: Partial<typeof good> = {}): Proof => signReport({ ...good, ...changes }, evidence, privateKey);

describe('a proof', () => {
  it('that somebody signed is good, and tells who', () => {
    const proof = signed();
    const signer = signerFingerprint(proof.publicKey);
    const { faults, report, signer: told } = verifyProof(proof, { ...expected, signers: [signer] });
    expect({ faults, told }).toEqual({ faults: [], told: signer });
    expect(report).toMatchObject({ form: 1, passed: true, console: { bytes: 7 } });
  });

  it.each<[string, Proof, RegExp]>([
    ['its report', { ...signed(), report: Buffer.from(Buffer.from(signed().report).toString().replace('db1', 'db2')) }, /signature/],
    ['its signature', { ...signed(), signature: signed().signature.map((byte) => byte ^ 1) }, /signature/],
    ['its key', { ...signed(), publicKey: Buffer.from('no key') }, /signature/],
    ['its console', { ...signed(), console: Buffer.from('login! ') }, /console/],
    ['its screen', { ...signed(), screenshot: new Uint8Array(0) }, /screenshot/],
    ['the point of its record', { ...signed(), pointId: 'bb'.repeat(16) }, /its record/],
    ['the result of its record', { ...signed({ passed: false }), passed: true }, /its record/],
    ['the vault it is about', signed({ vault: 'other' }), /another machine/],
    ['the machine it is about', signed({ machine: 'other' }), /another machine/],
    ['the log it is of', signed({ head: { sequence: 7, tag: 'fe' } }), /slot 7/],
    ['a step of it', signed({ steps: [{ name: 'start', passed: false, detail: '', seconds: 1 }] }), /a step that failed/],
  ])('is worthless when %s is not what was signed, or is of another', (_, proof, fault) => {
    expect(verifyProof(proof, expected).faults).toEqual([expect.stringMatching(fault)]);
  });

  it('is worthless when nobody trusts who signed it', () => {
    expect(verifyProof(signed(), { ...expected, signers: ['0'.repeat(64)] }).faults).toEqual([expect.stringMatching(/nobody here trusts/)]);
  });

  it('is signed by Ed25519 keys only', () => {
    const pem = (type: 'ed25519' | 'ed448'): string =>
      generateKeyPairSync(type as 'ed25519')
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString();
    expect(readSigningKey(pem('ed25519'), 'k').asymmetricKeyType).toBe('ed25519');
    for (const text of [pem('ed448'), 'something']) expect(() => readSigningKey(text, 'k')).toThrow('[SETTING_INVALID] k');
  });
});
