import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { damaged } from './damage.ts';
import { countMessages } from './message-count.ts';
import { OBJECT_KIND, type ObjectHeader, type ObjectKind, readHeader } from './object-header.ts';
import { lengthsOf, type ObjectHead, openHead } from './sealed-object.ts';
import type { VaultAccess } from './vault-access.ts';

/** Read at once of every object: enough for the whole head of most. */
const FIRST_READ = 64 * 1024;

type Expected = Pick<ObjectHeader, 'kind' | 'machineId' | 'number'>;

/**
 * Reads and opens the head of an object, in one request where the head is no longer than `likely`. Errors: OBJECT_NOT_FOUND (this object), DAMAGED,
 * VAULT_VERSION_UNSUPPORTED.
 */
export const readHead = async (vault: VaultAccess, name: string, expected: Expected, likely = 0): Promise<ObjectHead> => {
  // One more than there should be: what is longer is found out.
  const atFirst = Math.max(FIRST_READ, likely + 1);
  const first = asBuffer(await vault.store.read(name, { offset: 0, length: atFirst }));
  const { headLength, length } = lengthsOf(first, name);
  const isAll = first.length < atFirst;
  if (first.length > length || (isAll && first.length < length))
    throw damaged(name, `it has ${first.length} bytes and should have ${length}`);
  const rest =
    headLength > first.length && !isAll
      ? await vault.store.read(name, { offset: atFirst, length: headLength - atFirst })
      : new Uint8Array(0);
  return openObject(vault, name, expected, rest.length === 0 ? first : Buffer.concat([first, rest]));
};

/** Bytes an object may have: far more than anybody ever wrote. */
const OBJECT_LIMIT = 1024 ** 3;

/** All bytes of an object, and no more than there can be, whatever somebody put into its place. Errors: OBJECT_NOT_FOUND, DAMAGED. */
export const readWhole = async (store: ObjectStore, name: string, limit = OBJECT_LIMIT): Promise<Buffer> => {
  const bytes = await store.read(name, { offset: 0, length: limit + 1 });
  if (bytes.length > limit) throw damaged(name, `it has more than the ${limit} bytes that it may have`);
  return asBuffer(bytes);
};

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

/** Opens the head of an object whose beginning is in memory. */
export const openObject = async (vault: VaultAccess, name: string, expected: Expected, bytes: Buffer): Promise<ObjectHead> => {
  const { machineId, keyEpoch, rootGeneration = 1 } = readHeader(bytes, name);
  if (machineId !== expected.machineId) throw damaged(name, `it belongs to machine ${machineId}`);
  const byRootKey = ROOT_KINDS.includes(expected.kind);
  if (byRootKey !== (keyEpoch === 0)) throw damaged(name, `it names key epoch ${keyEpoch}`);
  const key = byRootKey ? await vault.keys.rootKey(rootGeneration) : await keyFor(vault, name, machineId, keyEpoch);
  if (key === undefined) throw damaged(name, `it is sealed under root key ${rootGeneration}, which the vault was never given`);
  return openHead(key, { ...expected, vaultId: vault.id }, bytes, name);
};

/** Objects under a root key; all others are under a data key. */
const ROOT_KINDS: readonly ObjectKind[] = [OBJECT_KIND.vault, OBJECT_KIND.dataKey, OBJECT_KIND.holders];

const keyFor = async ({ keys }: VaultAccess, name: string, machineId: string, epoch: number): Promise<Uint8Array> => {
  try {
    return await keys.keyOf(machineId, epoch);
  } catch (cause) {
    if (isHoldfastError(cause, 'OBJECT_NOT_FOUND'))
      throw damaged(name, `it is sealed under key epoch ${epoch}, which the vault does not have`, cause);
    throw cause;
  }
};

/** The message the records of an object hold. Errors: DAMAGED. */
export const decodeRecords = <Desc extends DescMessage>(schema: Desc, { records }: ObjectHead, name: string): MessageShape<Desc> => {
  try {
    const isLarge = records.length > MANY_BYTES && countMessages(schema, records, MESSAGE_LIMIT) > MESSAGE_LIMIT;
    if (!isLarge) return fromBinary(schema, records);
  } catch (cause) {
    throw damaged(name, 'its records are no message', cause);
  }
  throw damaged(name, `its records hold more than ${MESSAGE_LIMIT} messages`);
};

/** Messages that records may hold, some hundred bytes of memory each. Records of fewer bytes hold fewer. */
const MESSAGE_LIMIT = 2_000_000;
const MANY_BYTES = 2 * MESSAGE_LIMIT;

/** The answer, or `undefined` when there is no such object. */
export const ifPresent = async <T>(answer: Promise<T>): Promise<T | undefined> => {
  try {
    return await answer;
  } catch (reason) {
    if (isHoldfastError(reason, 'OBJECT_NOT_FOUND')) return undefined;
    throw reason;
  }
};
