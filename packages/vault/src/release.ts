import { isHoldfastError } from '@holdfast/errors';
import type { ObjectInfo } from '@holdfast/object-store';
import { type Catalogue, idText, type Tombstone } from '@holdfast/protocol';
import { aged } from './ageing.ts';
import { publishCatalogue, VERSIONS_KEPT } from './catalogue.ts';
import { tombstoneOf } from './checkpointer.ts';
import { type Continuity, checkContinuity, type ListedObject } from './continuity.ts';
import type { MachineHistory } from './history.ts';
import { listHolds, releaseHold } from './hold.ts';
import { OBJECT_KIND } from './object-header.ts';
import { cataloguePrefix, catalogueVersionOf, logPrefix, scrubPrefix, slotName } from './object-names.ts';
import { type MachineWriter, referencedName } from './referenced-object.ts';

/*
 * Deleting, in two steps: a catalogue version does without an object and says so; the object goes when that was long enough ago by the clock of the store
 * and nobody holds the versions before. docs/format.md, "Deleting".
 */

export interface ReleaseOptions {
  /** Milliseconds by the clock of the store from the version that does without an object to its deletion; 24 hours unless told. */
  readonly grace?: number;
  /** Nothing is deleted once it aborts; its reason is thrown. What was deleted until then is what nobody needed. */
  readonly signal?: AbortSignal;
  /** The store is asked which objects are locked in it: deleting those is not even tried. */
  readonly locks?: boolean;
  /** The newest version that a keeper vouched for: what it needs stays. Infinity unless told: no version is needed to judge others by. */
  readonly vouched?: number;
}

export interface ReleaseReport {
  readonly deleted: number;
  readonly bytes: number;
  /** Objects that are due and that the store does not let go yet: a policy or a hold of the store keeps them. They are tried again each time. */
  readonly locked: number;
  /** Objects that nothing refers to, left by somebody who died; they go after the grace. */
  readonly strays: number;
}

const DAY = 24 * 3_600_000;

/** Records of scrubbing that stay; nothing rests on older ones. */
const SCRUBS_KEPT = 4;

class Release {
  readonly #writer: MachineWriter;
  readonly #history: MachineHistory;
  readonly #grace: number;
  readonly #signal: AbortSignal | undefined;
  readonly #locks: boolean;
  /** By version, when the store created it. */
  readonly #versions = new Map<number, ObjectInfo>();
  /** The latest that the store's clock is known to have shown. */
  #now = 0;
  /** The latest that it may show. */
  #mayBe = 0;
  /** Objects that versions above it did without stay. */
  #held = Number.POSITIVE_INFINITY;
  readonly #vouched: number;
  #locked = 0;
  deleted = 0;
  bytes = 0;

  constructor(
    writer: MachineWriter,
    history: MachineHistory,
    { grace = DAY, signal, locks = false, vouched = Number.POSITIVE_INFINITY }: ReleaseOptions,
  ) {
    this.#writer = writer;
    this.#history = history;
    this.#grace = grace;
    this.#signal = signal;
    this.#locks = locks;
    this.#vouched = vouched;
  }

  async run(now: number): Promise<ReleaseReport> {
    const { vault, machineId } = this.#writer;
    const { catalogue, version } = this.#history.catalogue!;
    const locks = { locks: this.#locks };
    for await (const info of vault.store.list(cataloguePrefix(machineId), locks))
      this.#versions.set(catalogueVersionOf(info.name) ?? 0, info);
    for (const { created } of this.#versions.values()) this.#now = Math.max(this.#now, created);
    this.#mayBe = Math.max(this.#now, now);
    const continuity = await checkContinuity(this.#history, locks);
    // Last, so that holds count that were created until now.
    for (const { id, ends, catalogue: held } of await listHolds(vault, machineId)) {
      if (ends > this.#now) this.#held = Math.min(this.#held, held);
      // Of somebody who was killed, or may not delete.
      else if (this.#isOld(ends)) await releaseHold(vault, machineId, id);
    }

    const due = new Set(catalogue.tombstones.filter(({ version: since }) => this.#isDue(Number(since)) && since <= this.#vouched));
    // By the next version, which is vouched for, they can go.
    const waits = catalogue.tombstones.some(({ version: since }) => this.#isDue(Number(since)) && since > this.#vouched);
    const byName = new Map(continuity.listed.map((object) => [object.name, object]));
    for (const tombstone of due) if (!(await this.#delete(tombstone, byName))) due.delete(tombstone);
    const strays = this.#strays(catalogue, continuity);
    const left = catalogue.tombstones.filter((tombstone) => !due.has(tombstone));
    if (due.size > 0 || strays.length > 0 || waits) {
      const next = version + 1;
      const tombstones = [...left, ...strays.map(({ kind, id }) => tombstoneOf(kind, Buffer.from(id, 'hex'), next))];
      const ageing = aged(catalogue, this.#history.catalogue!, this.#history.created);
      const published: Catalogue = { ...catalogue, ...ageing, publishedUnixMillis: BigInt(now), tombstones };
      // When somebody was faster the tombstones stay in the catalogue: to delete what is gone does no harm.
      await publishCatalogue(this.#writer, { newest: this.#history.catalogue, highest: version }, published);
    }
    await this.#deleteVersions(version, left);
    await this.#deleteScrubs();
    return { deleted: this.deleted, bytes: this.bytes, locked: this.#locked, strays: strays.length };
  }

  #isOld(created: number | undefined): boolean {
    return created !== undefined && this.#now - created >= this.#grace;
  }

  #isDue(version: number): boolean {
    return version <= this.#held && this.#isOld(this.#versions.get(version)?.created);
  }

  /** False when something of it is still there. */
  async #delete({ kind, id, below }: Tombstone, listed: ReadonlyMap<string, ListedObject>): Promise<boolean> {
    const { vault, machineId } = this.#writer;
    if (kind !== OBJECT_KIND.segment) {
      const name = referencedName(machineId, kind, idText(id));
      const info = name === undefined ? undefined : listed.get(name);
      return info === undefined || this.#remove(info);
    }
    let isGone = true;
    for await (const info of vault.store.list(logPrefix(machineId))) {
      if (info.name >= slotName(machineId, Number(below))) break;
      isGone = (await this.#remove(info)) && isGone;
    }
    return isGone;
  }

  /** What nothing refers to, and nobody can be about to refer to any more. */
  #strays({ tombstones }: Catalogue, { listed, needed }: Continuity): ListedObject[] {
    const known = new Set(tombstones.map(({ kind, id }) => referencedName(this.#writer.machineId, kind, idText(id))));
    return listed.filter(({ name, created }) => !needed.has(name) && !known.has(name) && this.#isOld(created));
  }

  /** Versions that nobody can be reading any more. The time of those that tombstones name is still needed. */
  async #deleteVersions(newest: number, tombstones: readonly Tombstone[]): Promise<void> {
    const first = tombstones.reduce(
      (lowest, { version }) => Math.min(lowest, Number(version)),
      Math.min(newest - VERSIONS_KEPT, this.#held, this.#vouched),
    );
    for (const [version, info] of this.#versions) if (version < first && this.#isOld(info.created)) await this.#remove(info);
  }

  async #deleteScrubs(): Promise<void> {
    let newer = 0;
    for await (const info of this.#writer.vault.store.list(scrubPrefix(this.#writer.machineId))) {
      newer += 1;
      if (newer > SCRUBS_KEPT) await this.#remove(info);
    }
  }

  async #remove({ name, size, lockedUntil = 0 }: ObjectInfo): Promise<boolean> {
    this.#signal?.throwIfAborted();
    if (lockedUntil > this.#mayBe) {
      this.#locked += 1;
      return false;
    }
    try {
      await this.#writer.vault.store.delete(name);
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_LOCKED')) throw reason;
      this.#locked += 1;
      return false;
    }
    this.deleted += 1;
    this.bytes += size;
    return true;
  }
}

/** Deletes what nobody needs any more. `history` is undamaged. Errors: DAMAGED (something needed is missing), NO_PERMISSION. */
export const releaseObjects = async (
  writer: MachineWriter,
  history: MachineHistory,
  options: ReleaseOptions,
  now: number,
): Promise<ReleaseReport> =>
  history.catalogue === undefined ? { deleted: 0, bytes: 0, locked: 0, strays: 0 } : new Release(writer, history, options).run(now);
