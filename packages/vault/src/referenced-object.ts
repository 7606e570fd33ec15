import { create } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import { ID_SIZE, idBytes, idText, newId, type ObjectRef, ObjectRefSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import type { KeeperKey } from './keeper-key.ts';
import { OBJECT_KIND, type ObjectHeader, SLOT_TAG_SIZE } from './object-header.ts';
import { historyName, partName, runName } from './object-names.ts';
import { readHead } from './read-object.ts';
import { NO_TAG, type ObjectContent, type ObjectHead, sealObject } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

/*
 * Objects with a random name: whoever refers to one keeps its tag and size, and so knows it for what it is. Nobody else looks for them.
 */

/** Bytes asked for at once at most. */
const LIKELY_LIMIT = 64 * 1024 * 1024;

export type ReferencedKind = typeof OBJECT_KIND.history | typeof OBJECT_KIND.run | typeof OBJECT_KIND.part;

/** The name of an object with a random id; `undefined` for kinds that have none. */
export const referencedName = (machineId: string, kind: number, id: string): string | undefined => {
  if (kind === OBJECT_KIND.history) return historyName(machineId, id);
  if (kind === OBJECT_KIND.run) return runName(machineId, id);
  return kind === OBJECT_KIND.part ? partName(machineId, id) : undefined;
};

/** True for what may refer to an object. */
export const isReference = (ref: ObjectRef | undefined): ref is ObjectRef =>
  ref !== undefined &&
  ref.id.length === ID_SIZE &&
  ref.tag.length === SLOT_TAG_SIZE &&
  ref.size > 0n &&
  ref.size <= BigInt(Number.MAX_SAFE_INTEGER);

/** Who writes objects of a machine, and under which key. */
export interface MachineWriter {
  readonly vault: VaultAccess;
  readonly machineId: string;
  readonly keyEpoch: number;
  /** Keepers vouch by it for the catalogues they publish. */
  readonly keeperKey?: KeeperKey | undefined;
}

/** Sealed, not in the store yet. */
export interface PreparedObject {
  readonly name: string;
  readonly bytes: Buffer;
  readonly ref: ObjectRef;
}

export const prepareReferenced = async (
  { vault, machineId, keyEpoch }: MachineWriter,
  kind: ReferencedKind,
  content: ObjectContent,
): Promise<PreparedObject> => {
  const id = newId();
  const identity: Pick<ObjectHeader, 'kind' | 'keyEpoch' | 'vaultId' | 'machineId' | 'number' | 'previousTag'> = {
    kind,
    keyEpoch,
    vaultId: vault.id,
    machineId,
    number: 0,
    previousTag: NO_TAG,
  };
  vault.keys.assertOpen();
  const { bytes, tag } = sealObject(await vault.keys.keyOf(machineId, keyEpoch), identity, content);
  const ref = create(ObjectRefSchema, { id: idBytes(id), tag: Buffer.from(tag, 'hex'), size: BigInt(bytes.length) });
  return { name: referencedName(machineId, kind, id)!, bytes, ref };
};

/** Puts it into the store. The name is random: who finds it taken was there before, and its answer was lost. */
export const createPrepared = async ({ store }: VaultAccess, { name, bytes }: PreparedObject): Promise<void> => {
  try {
    await store.create(name, bytes);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
  }
};

/** Opens the head of an object that is referred to; of a part, of about `likely` bytes. Errors: DAMAGED, also when it is gone. */
export const readReferenced = async (
  vault: VaultAccess,
  machineId: string,
  kind: ReferencedKind,
  ref: ObjectRef | undefined,
  likely = 0,
): Promise<{ readonly head: ObjectHead; readonly name: string }> => {
  const name = referencedName(machineId, kind, idText(ref?.id ?? new Uint8Array(0)))!;
  // Of objects without frames the head is all there is.
  const length = kind === OBJECT_KIND.part ? likely : Number(ref?.size ?? 0n);
  const head = await readHead(vault, name, { kind, machineId, number: 0 }, Math.min(length, LIKELY_LIMIT)).catch((reason: unknown) => {
    throw isHoldfastError(reason, 'OBJECT_NOT_FOUND') ? damaged(name, 'it was there and is gone', reason) : reason;
  });
  checkReferenced(head, ref, name);
  return { head, name };
};

/** Errors: DAMAGED when the object is another one than was referred to. */
export const checkReferenced = ({ tag, framesAt, header }: ObjectHead, ref: ObjectRef | undefined, name: string): void => {
  const size = framesAt + header.framesLength;
  if (tag !== Buffer.from(ref?.tag ?? []).toString('hex') || BigInt(size) !== ref?.size)
    throw damaged(name, 'it is not what it was: somebody put another object in its place');
};
