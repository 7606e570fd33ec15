import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { type HoldersRecord, HoldersRecordSchema } from '@holdfast/protocol';
import { damaged } from '../damage.ts';
import { highestTaken } from '../highest-taken.ts';
import { NO_MACHINE, OBJECT_KIND } from '../object-header.ts';
import { holdersName } from '../object-names.ts';
import { decodeRecords, ifPresent, readHead } from '../read-object.ts';
import { NO_TAG, sealObject } from '../sealed-object.ts';
import type { VaultAccess } from '../vault-access.ts';
import { KEY_SIZE, underRoot } from './key-ring.ts';
import type { RootKey } from './key-slot.ts';

/*
 * Who can open a vault, in numbered versions, each complete and made by an exclusive create: of two changes at the same time one comes first, and the
 * other one thinks again. A vault nobody ever changed the holders of has none.
 */

export interface HoldersVersion {
  readonly version: number;
  readonly tag: string;
  /** The root key it is under. */
  readonly generation: number;
  readonly record: HoldersRecord;
}

/** The highest version there is, 0 for none. They are never deleted, so there are no gaps. */
export const highestHolders = (store: ObjectStore): Promise<number> =>
  highestTaken(async (version) => (await ifPresent(store.stat(holdersName(version)))) !== undefined);

/** Errors: DAMAGED, VAULT_KEY_WRONG (it is under a root key that these keys don't have). */
export const readHolders = async (vault: VaultAccess, version: number): Promise<HoldersVersion> => {
  const name = holdersName(version);
  const { header, tag, ...head } = await readHead(vault, name, { kind: OBJECT_KIND.holders, machineId: NO_MACHINE, number: version });
  const record = decodeRecords(HoldersRecordSchema, { header, tag, ...head }, name);
  const generation = header.rootGeneration ?? 1;
  if (record.earlierRootKeys.length !== generation - 1 || record.earlierRootKeys.some(({ length }) => length !== KEY_SIZE))
    throw damaged(name, 'it does not tell the root keys before its own');
  return { version, tag, generation, record };
};

/** The newest version, `undefined` when there is none. Errors: as `readHolders`. */
export const newestHolders = async (vault: VaultAccess): Promise<HoldersVersion | undefined> => {
  const version = await highestHolders(vault.store);
  return version === 0 ? undefined : readHolders(vault, version);
};

/** The root key in force, as far as these keys know. */
export const newestRoot = async ({ keys }: VaultAccess): Promise<RootKey> => {
  const generation = keys.rootGeneration;
  return { generation, key: (await keys.rootKey(generation))! };
};

/**
 * Publishes the version after `before` under the root key `root`, `undefined` when somebody else published that number first.
 */
export const publishHolders = async (
  vault: VaultAccess,
  before: HoldersVersion | undefined,
  root: RootKey,
  content: MessageInitShape<typeof HoldersRecordSchema>,
): Promise<HoldersVersion | undefined> => {
  const version = (before?.version ?? 0) + 1;
  const record = create(HoldersRecordSchema, content);
  vault.keys.assertOpen();
  const { bytes, tag } = sealObject(
    root.key,
    {
      kind: OBJECT_KIND.holders,
      ...underRoot(root.generation),
      vaultId: vault.id,
      machineId: NO_MACHINE,
      number: version,
      previousTag: before?.tag ?? NO_TAG,
    },
    { records: toBinary(HoldersRecordSchema, record), index: new Uint8Array(0), frames: [] },
  );
  try {
    await vault.store.create(holdersName(version), bytes);
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    // It may be one's own: the answer to an earlier attempt was lost.
    const there = Buffer.from(await vault.store.read(holdersName(version), { offset: 0, length: bytes.length + 1 }));
    if (!there.equals(bytes)) return undefined;
  }
  return { version, tag, generation: root.generation, record };
};
