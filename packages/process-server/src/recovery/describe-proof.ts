import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Verdict, verifyProof } from '@holdfast/fabric';
import type { ProofSchema } from '@holdfast/protocol';
import { listProofs, type MachineHistory, type RecordedProof, type Vault } from '@holdfast/vault';

export type ProofMessage = Exclude<MessageInitShape<typeof ProofSchema>, { readonly $typeName: string }>;

/** The newest that are looked at: older ones tell of points that are gone. */
const NEWEST = 64;
const LONGEST = 500;

/** A proof as people see it: the signed report of the vault in short, and whether it is what was signed. */
export const describeProof = (
  { number, pointId, time, passed }: RecordedProof,
  { signer, faults, report }: Verdict,
  pointTime: number,
): ProofMessage => ({
  number: BigInt(number),
  pointId,
  pointUnixMillis: BigInt(pointTime),
  provenUnixMillis: BigInt(time),
  passed: passed && faults.length === 0,
  signer,
  faults: [...faults],
  steps: (report?.steps ?? []).map(({ name, passed: good, detail, seconds }) => ({
    name,
    passed: good,
    detail: detail.slice(0, LONGEST),
    seconds,
  })),
});

/** Reads the proofs of machines, each of them once: they never change. */
export interface ProofReader {
  /** Newest first. */
  of(vault: Vault, history: MachineHistory): Promise<readonly ProofMessage[]>;
}

export const createProofReader = (): ProofReader => {
  const known = new Map<string, readonly ProofMessage[]>();
  return {
    async of(vault, history) {
      const place = `${vault.id}/${history.machine.id}`;
      const before = known.get(place) ?? [];
      const times = new Map(history.points.map(({ id, time }) => [id, time]));
      const fresh: ProofMessage[] = [];
      for await (const proof of listProofs(vault, history.machine.id)) {
        if (fresh.length >= NEWEST || before.some(({ number }) => number === BigInt(proof.number))) break;
        const verdict = verifyProof(proof, { vault: vault.id, machine: history.machine.id, tags: history.tags });
        fresh.push(describeProof(proof, verdict, times.get(proof.pointId) ?? verdict.report?.pointTime ?? 0));
      }
      const all = [...fresh, ...before].slice(0, NEWEST);
      known.set(place, all);
      return all;
    },
  };
};
