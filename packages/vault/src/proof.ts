import { create, toBinary } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import { idBytes, idText, ProofRecordsSchema } from '@holdfast/protocol';
import { type Finding, findingOf } from './finding.ts';
import { OBJECT_KIND } from './object-header.ts';
import { proofName, proofNumberOf, proofPrefix } from './object-names.ts';
import { decodeRecords, readHead } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { Vault } from './vault.ts';
import type { VaultAccess } from './vault-access.ts';

/** What came of starting a point in isolation. docs/format.md, "Proofs". */
export interface Proof {
  readonly pointId: string;
  /** Milliseconds since 1970, by the clock of whoever tried. */
  readonly time: number;
  readonly passed: boolean;
  /** What was done and seen: JSON. */
  readonly report: Uint8Array;
  /** Ed25519 over the report, by the key whose public half (SubjectPublicKeyInfo, DER) stands beside it. */
  readonly signature: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly console: Uint8Array;
  /** PNG; empty where there was no screen. */
  readonly screenshot: Uint8Array;
}

export interface RecordedProof extends Proof {
  /** 1, 2, 3 … of the machine. */
  readonly number: number;
}

/** Records a proof; resolves to its number. Errors: NO_PERMISSION, for those who may only read. */
export const recordProof = async (vault: Vault, machineId: string, proof: Proof): Promise<number> => {
  const keyEpoch = await vault.keys.newestEpoch(machineId);
  const records = create(ProofRecordsSchema, {
    pointId: idBytes(proof.pointId),
    provenUnixMillis: BigInt(proof.time),
    passed: proof.passed,
    report: Uint8Array.from(proof.report),
    signature: Uint8Array.from(proof.signature),
    publicKey: Uint8Array.from(proof.publicKey),
    console: Uint8Array.from(proof.console),
    screenshot: Uint8Array.from(proof.screenshot),
  });
  for (let number = (await highest(vault, machineId)) + 1; ; number += 1) {
    const { bytes } = sealObject(
      await vault.keys.keyOf(machineId, keyEpoch),
      { kind: OBJECT_KIND.proof, keyEpoch, vaultId: vault.id, machineId, number, previousTag: NO_TAG },
      { records: toBinary(ProofRecordsSchema, records), index: new Uint8Array(0), frames: [] },
    );
    try {
      await vault.store.create(proofName(machineId, number), bytes);
      return number;
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    }
  }
};

const highest = async ({ store }: VaultAccess, machineId: string): Promise<number> => {
  for await (const { name } of store.list(proofPrefix(machineId))) {
    const number = proofNumberOf(name);
    if (number !== undefined) return number;
  }
  return 0;
};

/** Told of each proof that cannot be read, newest first. */
export type PassedOver = (finding: Finding) => void;

/** The proofs of a machine, newest first. One that is damaged, or of another version of the format, proves nothing to this one: it is left out. */
export async function* listProofs(
  vault: VaultAccess,
  machineId: string,
  onPassedOver: PassedOver = () => {},
): AsyncGenerator<RecordedProof> {
  for await (const { name } of vault.store.list(proofPrefix(machineId))) {
    const number = proofNumberOf(name);
    if (number === undefined) continue;
    try {
      const head = await readHead(vault, name, { kind: OBJECT_KIND.proof, machineId, number });
      const { pointId, provenUnixMillis, ...records } = decodeRecords(ProofRecordsSchema, head, name);
      yield { ...records, number, pointId: idText(pointId), time: Number(provenUnixMillis) };
    } catch (reason) {
      const finding = findingOf(reason, name);
      if (finding !== undefined) onPassedOver(finding);
      else if (!isHoldfastError(reason, 'OBJECT_NOT_FOUND')) throw reason;
    }
  }
}

/**
 * The newest proof that passed, however many failed since: it keeps its point, and when nothing starts any more that is the one that is needed. Newer ones
 * that cannot be read are told of.
 */
export const lastProven = async (vault: VaultAccess, machineId: string, onPassedOver?: PassedOver): Promise<RecordedProof | undefined> => {
  for await (const proof of listProofs(vault, machineId, onPassedOver)) if (proof.passed) return proof;
  return undefined;
};
