import { type SegmentRecords, SegmentRecordsSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { newer, OBJECT_KIND } from './object-header.ts';
import { slotName } from './object-names.ts';
import { decodeRecords, ifPresent, openObject, readHead } from './read-object.ts';
import type { FrameKeys, ObjectHead } from './sealed-object.ts';
import { decodeSegmentIndex, type SegmentIndex } from './segment-index.ts';
import type { VaultAccess } from './vault-access.ts';

/** A slot of a machine's log with the head of the segment in it. */
export interface Slot {
  readonly name: string;
  readonly sequence: number;
  readonly tag: string;
  readonly previousTag: string;
  readonly records: SegmentRecords;
  readonly frameCount: number;
  /** Bytes of the object, and of all before its frames. */
  readonly size: number;
  readonly headLength: number;
  /** Parses the index. */
  index(): SegmentIndex;
  /** Opens frame `number` from its sealed bytes. */
  openFrame(number: number, sealed: Uint8Array): Buffer;
  readonly frameKeys: FrameKeys;
}

/** Reads a slot's head, of about `likely` bytes; `undefined` when the slot is empty. Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED. */
export const readSlot = async (vault: VaultAccess, machineId: string, sequence: number, likely = 0): Promise<Slot | undefined> => {
  const name = slotName(machineId, sequence);
  const head = await ifPresent(readHead(vault, name, { kind: OBJECT_KIND.segment, machineId, number: sequence }, likely));
  return head === undefined ? undefined : asSlot(head, name, sequence);
};

/** A slot from the object's bytes. Errors: DAMAGED, VAULT_VERSION_UNSUPPORTED. */
export const parseSlot = async (vault: VaultAccess, machineId: string, sequence: number, bytes: Buffer): Promise<Slot> => {
  const name = slotName(machineId, sequence);
  return asSlot(await openObject(vault, name, { kind: OBJECT_KIND.segment, machineId, number: sequence }, bytes), name, sequence);
};

const asSlot = (head: ObjectHead, name: string, sequence: number): Slot => {
  const records = decodeRecords(SegmentRecordsSchema, head, name);
  if (records.term === 0n || records.term > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(name, `its term is ${records.term}`);
  if (records.records.some(({ record }) => record.case === undefined))
    throw newer(name, 'it has a record of a kind this program does not know');
  return {
    name,
    sequence,
    tag: head.tag,
    previousTag: head.header.previousTag,
    records,
    frameCount: head.header.frameCount,
    size: head.framesAt + head.header.framesLength,
    headLength: head.framesAt,
    index: () => decodeSegmentIndex(head.index, head.header, head.framesAt, name),
    openFrame: head.openFrame,
    frameKeys: head.frameKeys,
  };
};
