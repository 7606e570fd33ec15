import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  idBytes,
  type PointKind,
  type Proof,
  type ProofSchedule,
  ProofScheduleSchema,
  type WantedProof,
  WantedProofSchema,
} from '@holdfast/protocol';
import type { TrackedReader } from '../control/follow.ts';
import { type Kind, plainKind } from '../records/kind.ts';
import type { ChosenPoint, Target } from '../recovery/recovery-record.ts';

/** A proof in short, as a process server told it. */
export interface ProofSummary {
  readonly number: number;
  readonly point: string;
  /** Milliseconds since 1970: of the point, and when it was tried. */
  readonly pointTime: number;
  readonly at: number;
  readonly passed: boolean;
  readonly signer: string;
  readonly faults: readonly string[];
  readonly steps: readonly { readonly name: string; readonly passed: boolean; readonly detail: string; readonly seconds: number }[];
}

/** What is known of the proofs of a machine; its id is the machine's. The signed reports are in the vault. */
export interface MachineProofs {
  /** The newest that passed, and the newest of all. */
  readonly lastProven?: ProofSummary;
  readonly last?: ProofSummary;
  /** Why the newest attempt was none; absent once one was made again. */
  readonly problem?: { readonly code: string; readonly text: string; readonly at: number };
  /** The job that tries one, or tried the last one. */
  readonly job: string;
  /** Milliseconds since 1970: when the schedule began the last one, and when a schedule was seen first; 0: never, or there is none. */
  readonly attempted: number;
  readonly since: number;
}

export const machineProofs: Kind<MachineProofs> = plainKind('proof', 1);
export const NO_PROOFS: MachineProofs = { job: '', attempted: 0, since: 0 };

/** What a process server is told to prove; its id is that of the attempt. */
export interface ProofOrder {
  readonly serverId: string;
  readonly machineId: string;
  readonly machineName: string;
  readonly vault: string;
  readonly point: ChosenPoint;
  /** The newest of at least this kind when its turn comes, which may be much later than the order. */
  readonly newestOf?: PointKind;
  readonly target: Target;
  readonly checks: JsonValue;
}

export const proofOrders: Kind<ProofOrder> = plainKind('proof-order', 1);

export const scheduleJson = (schedule: ProofSchedule | undefined): JsonValue =>
  toJson(ProofScheduleSchema, schedule ?? create(ProofScheduleSchema));
const scheduleOf = (json: JsonValue): ProofSchedule => fromJson(ProofScheduleSchema, json, { ignoreUnknownFields: true });

/** What a process server shall prove. */
export const proofsWanted = async (read: TrackedReader, serverId: string): Promise<readonly WantedProof[]> =>
  (await read.list(proofOrders, ''))
    .filter(({ value }) => value.serverId === serverId)
    .map(({ id, value: { machineId, machineName, vault, point, newestOf, target, checks } }) =>
      create(WantedProofSchema, {
        id: idBytes(id),
        machineId: idBytes(machineId),
        machineName,
        vault,
        pointId: idBytes(point.id),
        pointUnixMillis: BigInt(point.time),
        target,
        checks: scheduleOf(checks),
        ...(newestOf === undefined ? {} : { choose: { choice: { case: 'newest', value: newestOf } } }),
      }),
    );

export const summaryOf = ({ number, pointId, pointUnixMillis, provenUnixMillis, passed, signer, faults, steps }: Proof): ProofSummary => ({
  number: Number(number),
  point: pointId,
  pointTime: Number(pointUnixMillis),
  at: Number(provenUnixMillis),
  passed,
  signer: signer.slice(0, 64),
  faults: faults.slice(0, 8).map((one) => one.slice(0, 500)),
  steps: steps
    .slice(0, 32)
    .map(({ name, passed: good, detail, seconds }) => ({ name: name.slice(0, 64), passed: good, detail: detail.slice(0, 500), seconds })),
});

/** For people. */
export const proofMessage = ({ number, point, pointTime, at, passed, signer, faults, steps }: ProofSummary) => ({
  number: BigInt(number),
  pointId: point,
  pointUnixMillis: BigInt(pointTime),
  provenUnixMillis: BigInt(at),
  passed,
  signer,
  faults: [...faults],
  steps: steps.map((step) => ({ ...step })),
});

/** Why a proof did not pass, in words. */
export const proofProblem = ({ steps, faults }: ProofSummary): string =>
  [...steps.filter(({ passed }) => !passed).map(({ name, detail }) => `${name}: ${detail}`), ...faults].join('; ').slice(0, 500);
