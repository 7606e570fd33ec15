import { create } from '@bufbuild/protobuf';
import { type Failover, FailoverSchema, idBytes, idText } from '@holdfast/protocol';

/**
 * A position in a machine's log, to be kept outside the vault: every later reading must find it again, or the vault was rolled back.
 * `tag` is the slot's tag as 64 hexadecimal digits (docs/format.md, "Slot tag").
 */
export interface Anchor {
  readonly sequence: number;
  readonly tag: string;
  /** The term that wrote the slot. */
  readonly term: number;
}

/** The head of a log without any slot. */
export const EMPTY_LOG: Anchor = { sequence: -1, tag: '0'.repeat(64), term: 0 };

/** The newest durable epoch of a disk. The next one wanted is `number + 1` of the same generation, or 0 of a new one. */
export interface DiskHead {
  readonly generationId: string;
  readonly number: number;
  /** True while the generation has pieces only and no state yet. */
  readonly open: boolean;
  /** While open: bytes from the disk's start that the copy has covered. */
  readonly coveredThrough: number;
  /** Bytes of the disk at that epoch. */
  readonly diskSize: number;
}

/** What the log says while a machine is failed over: nobody may append until a release record. */
export interface FailedOver {
  readonly operationId: string;
  /** The recovery point the machine was failed over to. */
  readonly pointId: string;
  /** Grows with every attempt of the operation: of two that go on with it the higher one counts. Absent where nobody said. */
  readonly attempt?: number;
}

/** What a record says. */
export const failedOverOf = ({ operationId, pointId, attempt }: Pick<Failover, 'operationId' | 'pointId' | 'attempt'>): FailedOver => ({
  operationId: idText(operationId),
  pointId: idText(pointId),
  ...(attempt > 0n && { attempt: Number(attempt) }),
});

/** The record that says so. */
export const failoverRecord = ({ operationId, pointId, attempt = 0 }: FailedOver): Failover =>
  create(FailoverSchema, { operationId: idBytes(operationId), pointId: idBytes(pointId), attempt: BigInt(attempt) });
