import { randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { DataKeyRecordSchema } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import { OBJECT_KIND } from './object-header.ts';
import { dataKeyName } from './object-names.ts';
import { decodeRecords, ifPresent, readHead } from './read-object.ts';
import { NO_TAG, sealObject } from './sealed-object.ts';
import type { KeyRing } from './vault-access.ts';

export const KEY_SIZE = 32;

class RootKeyRing implements KeyRing {
  readonly #store: ObjectStore;
  readonly #vaultId: string;
  readonly #rootKey: Buffer;
  readonly #dataKeys = new Map<string, Buffer>();
  #cleared = false;

  constructor(store: ObjectStore, vaultId: string, rootKey: Uint8Array) {
    this.#store = store;
    this.#vaultId = vaultId;
    this.#rootKey = Buffer.from(rootKey);
  }

  // Copies: a buffer that is wiped here must not go on being somebody's key, all zeroes.
  async keyOf(machineId: string, epoch: number): Promise<Uint8Array> {
    this.assertOpen();
    if (epoch === 0) return Buffer.from(this.#rootKey);
    const name = dataKeyName(machineId, epoch);
    const known = this.#dataKeys.get(name);
    if (known !== undefined) return Buffer.from(known);
    const head = await readHead({ id: this.#vaultId, store: this.#store, keys: this }, name, {
      kind: OBJECT_KIND.dataKey,
      machineId,
      number: epoch,
    });
    const { key } = decodeRecords(DataKeyRecordSchema, head, name);
    if (key.length !== KEY_SIZE) throw damaged(name, `it holds a key of ${key.length} bytes`);
    this.assertOpen();
    this.#dataKeys.set(name, Buffer.from(key));
    return Buffer.from(key);
  }

  async newestEpoch(machineId: string): Promise<number> {
    let epoch = 0;
    while ((await ifPresent(this.#store.stat(dataKeyName(machineId, epoch + 1)))) !== undefined) epoch += 1;
    return epoch;
  }

  async createFirstKey(machineId: string, now: number): Promise<void> {
    this.assertOpen();
    const record = create(DataKeyRecordSchema, { key: randomBytes(KEY_SIZE), createdUnixMillis: BigInt(now) });
    const { bytes } = sealObject(
      this.#rootKey,
      { kind: OBJECT_KIND.dataKey, keyEpoch: 0, vaultId: this.#vaultId, machineId, number: 1, previousTag: NO_TAG },
      { records: toBinary(DataKeyRecordSchema, record), index: new Uint8Array(0), frames: [] },
    );
    try {
      await this.#store.create(dataKeyName(machineId, 1), bytes);
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    }
  }

  assertOpen(): void {
    if (this.#cleared)
      throw new HoldfastError('INTERRUPTED', { thing: `vault ${this.#store.url}`, why: 'it was closed', remedy: 'open it again' });
  }

  clear(): void {
    this.#cleared = true;
    this.#rootKey.fill(0);
    for (const key of this.#dataKeys.values()) key.fill(0);
    this.#dataKeys.clear();
  }
}

/** The keys of somebody who has the root key: all of them, data keys read when first needed. */
export const createKeyRing = (store: ObjectStore, vaultId: string, rootKey: Uint8Array): KeyRing =>
  new RootKeyRing(store, vaultId, rootKey);
