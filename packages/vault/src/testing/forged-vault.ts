// A vault as somebody makes it who has its keys and means harm, or is wrong: anything may stand in its objects, sealed and referred to as if it were right.
import { createHash } from 'node:crypto';
import { type DescMessage, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import {
  CatalogueSchema,
  DataKeyRecordSchema,
  HistoryRecordsSchema,
  HoldersRecordSchema,
  HoldRecordsSchema,
  MachineRecordSchema,
  PartRecordsSchema,
  ProofRecordsSchema,
  RunRecordsSchema,
  ScrubRecordsSchema,
  SegmentRecordsSchema,
  TermRecordSchema,
  VaultRecordSchema,
} from '@holdfast/protocol';
import { deriveObjectKey, PART, sealBox } from '../box.ts';
import {
  HEADER_FIELDS_SIZE,
  HEADER_SIZE,
  NO_MACHINE,
  OBJECT_KIND,
  type ObjectHeader,
  type ObjectKind,
  readHeader,
  TAG_SIZE,
  writeHeader,
} from '../object-header.ts';
import { decodePartIndex } from '../part-index.ts';
import { openHead } from '../sealed-object.ts';
import { decodeSegmentIndex } from '../segment-index.ts';
import type { VaultAccess } from '../vault-access.ts';

const SCHEMAS: Readonly<Record<Exclude<ObjectKind, typeof OBJECT_KIND.keySlot>, DescMessage>> = {
  [OBJECT_KIND.segment]: SegmentRecordsSchema,
  [OBJECT_KIND.term]: TermRecordSchema,
  [OBJECT_KIND.machine]: MachineRecordSchema,
  [OBJECT_KIND.dataKey]: DataKeyRecordSchema,
  [OBJECT_KIND.vault]: VaultRecordSchema,
  [OBJECT_KIND.catalogue]: CatalogueSchema,
  [OBJECT_KIND.history]: HistoryRecordsSchema,
  [OBJECT_KIND.run]: RunRecordsSchema,
  [OBJECT_KIND.part]: PartRecordsSchema,
  [OBJECT_KIND.hold]: HoldRecordsSchema,
  [OBJECT_KIND.scrub]: ScrubRecordsSchema,
  [OBJECT_KIND.holders]: HoldersRecordSchema,
  [OBJECT_KIND.proof]: ProofRecordsSchema,
};

/** Referred to before they refer: so objects are sealed again. Slots follow each other by their names. */
const ORDER: readonly ObjectKind[] = [OBJECT_KIND.part, OBJECT_KIND.run, OBJECT_KIND.segment, OBJECT_KIND.history, OBJECT_KIND.catalogue];

/** An object laid open. */
export interface OpenedObject {
  readonly name: string;
  readonly header: ObjectHeader;
  /** What its records say; bytes instead of them, where they shall be no message. */
  message: Message;
  rawRecords: Buffer | undefined;
  index: Buffer;
  frames: Buffer[];
  /** What the header says although it is not so. */
  lies: Partial<Pick<ObjectHeader, 'frameCount' | 'framesLength' | 'number' | 'previousTag'>>;
}

/** What objects refer to each other by. */
interface Reference {
  tag: Uint8Array;
  size?: bigint;
}

export class ForgedVault {
  readonly objects: readonly OpenedObject[];
  readonly #original: ReadonlyMap<string, Buffer>;
  readonly #vault: VaultAccess;

  private constructor(vault: VaultAccess, original: ReadonlyMap<string, Buffer>, objects: readonly OpenedObject[]) {
    this.#vault = vault;
    this.#original = original;
    this.objects = objects;
  }

  /** Opens all objects but key slots. */
  static async open(vault: VaultAccess): Promise<ForgedVault> {
    const original = new Map<string, Buffer>();
    const objects: OpenedObject[] = [];
    for await (const { name } of vault.store.list('')) {
      const bytes = Buffer.from(await vault.store.read(name));
      original.set(name, bytes);
      if (!name.startsWith('keys/')) objects.push(await openWhole(vault, name, bytes));
    }
    const rank = ({ header }: OpenedObject): number => ORDER.indexOf(header.kind);
    objects.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
    return new ForgedVault(vault, original, objects);
  }

  /** False when there is no way to write down what its records say. */
  canBeWritten(object: OpenedObject): boolean {
    try {
      return this.recordsOf(object) !== undefined;
    } catch {
      return object.rawRecords !== undefined;
    }
  }

  /** The records of one of them, as bytes. */
  recordsOf({ header, message }: OpenedObject): Buffer {
    return Buffer.from(toBinary(schemaOf(header.kind), message));
  }

  /** The same once more, to be changed. */
  copy(): ForgedVault {
    const objects = this.objects.map((object) => ({
      ...object,
      message: structuredClone(object.message),
      index: Buffer.from(object.index),
      frames: object.frames.map((frame) => Buffer.from(frame)),
      lies: {},
    }));
    return new ForgedVault(this.#vault, this.#original, objects);
  }

  /** A store with everything as it was but for these objects, and for those that refer to them: they refer to what they are now. */
  async store(changed: ReadonlySet<OpenedObject>): Promise<ObjectStore> {
    const store = createMemoryStore();
    const contents = new Map(this.#original);
    /** By the tags there were, the tags and sizes that there are. */
    const renewed = new Map<string, { readonly tag: string; readonly size: number }>();
    for (const object of this.objects) {
      const previous = renewed.get(object.header.previousTag);
      const refers = previous !== undefined || referencesIn(object.message).some(({ tag }) => renewed.has(hex(tag)));
      if (!refers && !changed.has(object)) continue;
      for (const reference of referencesIn(object.message)) {
        const target = renewed.get(hex(reference.tag));
        if (target === undefined) continue;
        reference.tag = Buffer.from(target.tag, 'hex');
        if (reference.size !== undefined) reference.size = BigInt(target.size);
      }
      const before = this.#original.get(object.name)!;
      const { bytes, headLength } = await this.#seal(object, previous?.tag ?? object.header.previousTag);
      renewed.set(tagOf(before), { tag: tagOf(bytes, headLength), size: bytes.length });
      contents.set(object.name, bytes);
    }
    for (const [name, bytes] of contents) await store.create(name, bytes);
    return store;
  }

  async #seal(object: OpenedObject, previousTag: string): Promise<{ readonly bytes: Buffer; readonly headLength: number }> {
    const { header, index, frames, lies } = object;
    const records = object.rawRecords ?? this.recordsOf(object);
    const boxSize = (plain: Uint8Array): number => (plain.length === 0 ? 0 : plain.length + TAG_SIZE);
    const told: ObjectHeader = {
      ...header,
      previousTag,
      recordsLength: boxSize(records),
      indexLength: boxSize(index),
      frameCount: frames.length,
      framesLength: frames.reduce((sum, frame) => sum + frame.length + TAG_SIZE, 0),
      salt: createHash('sha256').update(header.salt).update(records).update(index).digest(),
      ...lies,
    };
    const length = HEADER_SIZE + told.recordsLength + told.indexLength + frames.reduce((sum, frame) => sum + frame.length + TAG_SIZE, 0);
    const bytes = Buffer.alloc(length);
    const fields = writeHeader(told);
    fields.copy(bytes);
    const key = deriveObjectKey(await keyFor(this.#vault, told), told);
    const seal = (part: (typeof PART)[keyof typeof PART], number: number, last: boolean, plain: Uint8Array, at: number): number => {
      sealBox(key, fields, { part, number, last }, plain, bytes, at);
      return at + plain.length + TAG_SIZE;
    };
    let at = seal(PART.header, 0, true, new Uint8Array(0), HEADER_FIELDS_SIZE);
    if (records.length > 0) at = seal(PART.records, 0, true, records, at);
    if (index.length > 0) at = seal(PART.index, 0, true, index, at);
    for (const [number, frame] of frames.entries()) at = seal(PART.frame, number, number === told.frameCount - 1, frame, at);
    return { bytes, headLength: HEADER_SIZE + told.recordsLength + told.indexLength };
  }
}

const schemaOf = (kind: ObjectKind): DescMessage => SCHEMAS[kind as Exclude<ObjectKind, typeof OBJECT_KIND.keySlot>];

const hex = (tag: Uint8Array): string => Buffer.from(tag).toString('hex');

const keyFor = async ({ keys }: VaultAccess, { keyEpoch, rootGeneration = 1, machineId }: ObjectHeader): Promise<Uint8Array> =>
  keyEpoch === 0 ? (await keys.rootKey(rootGeneration))! : keys.keyOf(machineId, keyEpoch);

const tagOf = (bytes: Buffer, headLength = headLengthOf(bytes)): string =>
  createHash('sha256').update(bytes.subarray(0, headLength)).digest('hex');

const headLengthOf = (bytes: Buffer): number => {
  const { recordsLength, indexLength } = readHeader(bytes, 'object');
  return HEADER_SIZE + recordsLength + indexLength;
};

const openWhole = async (vault: VaultAccess, name: string, bytes: Buffer): Promise<OpenedObject> => {
  const header = readHeader(bytes, name);
  const { kind, machineId, number } = header;
  const head = openHead(await keyFor(vault, header), { kind, machineId: machineId || NO_MACHINE, number, vaultId: vault.id }, bytes, name);
  const decodeIndex = kind === OBJECT_KIND.part ? decodePartIndex : decodeSegmentIndex;
  const { positions } = header.indexLength === 0 ? { positions: [] } : decodeIndex(head.index, header, head.framesAt, name);
  const frames: Buffer[] = [];
  for (let frame = 0; frame < header.frameCount; frame += 1)
    frames.push(head.openFrame(frame, bytes.subarray(positions[frame], positions[frame + 1])));
  const message = fromBinary(schemaOf(kind), head.records);
  return { name, header, message, rawRecords: undefined, index: head.index, frames, lies: {} };
};

/** All that a message refers to objects by. */
const referencesIn = (value: unknown): Reference[] => {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const { $typeName } = value as { readonly $typeName?: string };
  if ($typeName === 'holdfast.v1.ObjectRef' || $typeName === 'holdfast.v1.LogHead') return [value as Reference];
  return Object.values(value).flatMap(referencesIn);
};
