import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { idText, RecoveryGoal, RecoveryKind, type RecoveryTarget, RecoveryTargetSchema, type WantedRecovery } from '@holdfast/protocol';

/** A recovery as it is wanted, checked. */
export interface Wanted {
  /** 32 hexadecimal digits each. */
  readonly id: string;
  readonly runId: string;
  readonly machineId: string;
  readonly pointId: string;
  readonly kind: RecoveryKind;
  readonly goal: RecoveryGoal;
  readonly machineName: string;
  readonly vault: string;
  readonly seenTerm: number;
  /** Milliseconds since 1970. */
  readonly pointTime: number;
  readonly target: RecoveryTarget;
  /** Grows with every run; 0: nobody said. */
  readonly attempt: number;
  /** Of whom wants it switched on; empty: nobody. */
  readonly startRequest: string;
  /** It needs the vault no more, and nobody has committed it. */
  readonly commitCancelled: boolean;
}

/** A machine of it is to run. */
export const shallRun = (goal: RecoveryGoal): boolean => goal === RecoveryGoal.RUNNING || goal === RecoveryGoal.INDEPENDENT;

const isId = (id: Uint8Array): boolean => id.length === 16;

/** What a message says; undefined for one that makes no sense. */
export const wantedOf = (message: WantedRecovery): Wanted | undefined => {
  const { id, runId, machineId, pointId, kind, goal, machineName, vault, seenTerm, target, pointUnixMillis, attempt, startRequest } =
    message;
  const { commitCancelled } = message;
  if (![id, runId, machineId, pointId].every(isId) || [seenTerm, attempt].some((one) => one > BigInt(Number.MAX_SAFE_INTEGER)))
    return undefined;
  if (kind !== RecoveryKind.TEST && kind !== RecoveryKind.FAILOVER) return undefined;
  if (goal === RecoveryGoal.UNSPECIFIED) return undefined;
  return {
    id: idText(id),
    runId: idText(runId),
    machineId: idText(machineId),
    pointId: idText(pointId),
    kind,
    goal,
    machineName,
    vault,
    seenTerm: Number(seenTerm),
    pointTime: Number(pointUnixMillis),
    target: target ?? create(RecoveryTargetSchema),
    attempt: Number(attempt),
    startRequest: isId(startRequest) ? idText(startRequest) : '',
    commitCancelled,
  };
};

/** The same as plain JSON for a file, and back. */
export const wantedJson = (wanted: Wanted): object => ({ ...wanted, target: toJson(RecoveryTargetSchema, wanted.target) });

/** Throws when it is none. */
export const parseWanted = (json: unknown): Wanted => {
  const { target, ...wanted } = json as Record<string, unknown>;
  if (typeof wanted['id'] !== 'string' || typeof wanted['runId'] !== 'string') throw new Error('it holds no recovery');
  return {
    attempt: 0,
    startRequest: '',
    commitCancelled: false,
    ...wanted,
    target: fromJson(RecoveryTargetSchema, target as JsonValue, { ignoreUnknownFields: true }),
  } as unknown as Wanted;
};
