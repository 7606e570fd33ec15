import { hkdfSync, randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import type { ObjectStore } from '@holdfast/object-store';
import { DataKeyRecordSchema } from '@holdfast/protocol';
import { damaged } from '../damage.ts';
import { OBJECT_KIND } from '../object-header.ts';
import { dataKeyName } from '../object-names.ts';
import { decodeRecords, ifPresent, readHead } from '../read-object.ts';
import { NO_TAG, sealObject } from '../sealed-object.ts';
import type { KeyRing } from '../vault-access.ts';

export const KEY_SIZE = 32;

/** Root keys of a vault from the first on; the last one is in force. */
export type RootKeys = readonly Uint8Array[];

class RootKeyRing implements KeyRing {
  readonly #store: ObjectStore;
  readonly #vaultId: string;
  #rootKeys: Buffer[];
  readonly #renew: (() => Promise<RootKeys>) | undefined;
  readonly #dataKeys = new Map<string, Buffer>();
  readonly #newestEpochs = new Map<string, number>();
  #cleared = false;

  constructor(store: ObjectStore, vaultId: string, rootKeys: RootKeys, renew: (() => Promise<RootKeys>) | undefined) {
    this.#store = store;
    this.#vaultId = vaultId;
    this.#rootKeys = rootKeys.map((key) => Buffer.from(key));
    this.#renew = renew;
  }

  get rootGeneration(): number {
    return this.#rootKeys.length;
  }

  // Copies: a buffer that is wiped here must not go on being somebody's key, all zeroes.
  async rootKey(generation: number): Promise<Uint8Array | undefined> {
    this.assertOpen();
    if (generation > this.#rootKeys.length && this.#renew !== undefined) this.adopt(await this.#renew());
    const key = this.#rootKeys[generation - 1];
    return key && Buffer.from(key);
  }

  adopt(rootKeys: RootKeys): void {
    this.assertOpen();
    for (const key of this.#rootKeys) key.fill(0);
    this.#rootKeys = rootKeys.map((key) => Buffer.from(key));
  }

  async keyOf(machineId: string, epoch: number): Promise<Uint8Array> {
    this.assertOpen();
    if (epoch === 0) return Buffer.from(this.#rootKeys[0]!);
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
    // Epochs are never taken away: what was there is not looked for again.
    let epoch = this.#newestEpochs.get(machineId) ?? 0;
    while ((await ifPresent(this.#store.stat(dataKeyName(machineId, epoch + 1)))) !== undefined) epoch += 1;
    this.#newestEpochs.set(machineId, epoch);
    return epoch;
  }

  async createKey(machineId: string, epoch: number, now: number): Promise<boolean> {
    this.assertOpen();
    const generation = this.#rootKeys.length;
    const record = create(DataKeyRecordSchema, { key: randomBytes(KEY_SIZE), createdUnixMillis: BigInt(now) });
    const { bytes } = sealObject(
      this.#rootKeys[generation - 1]!,
      {
        kind: OBJECT_KIND.dataKey,
        ...underRoot(generation),
        vaultId: this.#vaultId,
        machineId,
        number: epoch,
        previousTag: NO_TAG,
      },
      { records: toBinary(DataKeyRecordSchema, record), index: new Uint8Array(0), frames: [] },
    );
    try {
      await this.#store.create(dataKeyName(machineId, epoch), bytes);
      return true;
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
      return false;
    }
  }

  assertOpen(): void {
    if (this.#cleared)
      throw new HoldfastError('INTERRUPTED', { thing: `vault ${this.#store.url}`, why: 'it was closed', remedy: 'open it again' });
  }

  clear(): void {
    this.#cleared = true;
    for (const key of this.#rootKeys) key.fill(0);
    for (const key of this.#dataKeys.values()) key.fill(0);
    this.#dataKeys.clear();
  }
}

/** What the header of an object under a root key says of the key. */
export const underRoot = (generation: number): { readonly keyEpoch: 0; readonly rootGeneration?: number } =>
  generation === 1 ? { keyEpoch: 0 } : { keyEpoch: 0, rootGeneration: generation };

/** The same for the life of a vault, whatever keys it is given, and no secret: tells it from a vault that was put in its place. */
export const fingerprintOf = (rootKeys: RootKeys): string =>
  Buffer.from(hkdfSync('sha256', rootKeys[0]!, new Uint8Array(0), 'holdfast vault fingerprint', 16)).toString('hex');

/**
 * The keys of somebody who has the root keys: all of them, data keys read when first needed. `renew` is asked when an object is under a newer root key
 * than those.
 */
export const createKeyRing = (store: ObjectStore, vaultId: string, rootKeys: RootKeys, renew?: () => Promise<RootKeys>): KeyRing =>
  new RootKeyRing(store, vaultId, rootKeys, renew);
