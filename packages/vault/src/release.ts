import type { ObjectInfo } from '@holdfast/object-store';
import { type Catalogue, idText, type Tombstone } from '@holdfast/protocol';
import { publishCatalogue } from './catalogue.ts';
import { tombstoneOf } from './checkpointer.ts';
import { damaged } from './damage.ts';
import type { MachineHistory } from './history.ts';
import { listHolds } from './hold.ts';
import { OBJECT_KIND } from './object-header.ts';
import { cataloguePrefix, catalogueVersionOf, historyPrefix, logPrefix, partPrefix, runPrefix, slotName } from './object-names.ts';
import type { MachineWriter } from './referenced-object.ts';

/*
 * Deleting, in two steps: a catalogue version does without an object and says so; the object goes when that was long enough ago by the clock of the store
 * and nobody holds the versions before. docs/format.md, "Deleting".
 */

export interface ReleaseOptions {
  /** Milliseconds by the clock of the store from the version that does without an object to its deletion; 24 hours unless told. */
  readonly grace?: number;
}

export interface ReleaseReport {
  readonly deleted: number;
  readonly bytes: number;
  /** Objects that nothing refers to, left by somebody who died; they go after the grace. */
  readonly strays: number;
}

const DAY = 24 * 3_600_000;

/** Catalogue versions that stay besides the newest one, whatever their age. */
const VERSIONS_KEPT = 8;

const FOLDERS = [
  { kind: OBJECT_KIND.history, prefix: historyPrefix },
  { kind: OBJECT_KIND.run, prefix: runPrefix },
  { kind: OBJECT_KIND.part, prefix: partPrefix },
] as const;

type Listed = ObjectInfo & { readonly kind: number; readonly id: string };

class Release {
  readonly #writer: MachineWriter;
  readonly #history: MachineHistory;
  readonly #grace: number;
  /** By version, when the store created it. */
  readonly #versions = new Map<number, ObjectInfo>();
  /** The latest that the store's clock is known to have shown. */
  #now = 0;
  /** Objects that versions above it did without stay. */
  #held = Number.POSITIVE_INFINITY;
  deleted = 0;
  bytes = 0;

  constructor(writer: MachineWriter, history: MachineHistory, grace: number) {
    this.#writer = writer;
    this.#history = history;
    this.#grace = grace;
  }

  async run(now: number): Promise<ReleaseReport> {
    const { vault, machineId } = this.#writer;
    const { catalogue, version } = this.#history.catalogue!;
    for await (const info of vault.store.list(cataloguePrefix(machineId))) this.#versions.set(catalogueVersionOf(info.name) ?? 0, info);
    this.#now = Math.max(...[...this.#versions.values()].map(({ created }) => created));
    const listed = await this.#listReferenced();
    const parts = await this.#checkContinuity(catalogue, listed);
    // Last, so that holds count that were created until now.
    for (const { ends, catalogue: held } of await listHolds(vault, machineId))
      if (ends > this.#now) this.#held = Math.min(this.#held, held);

    const due = catalogue.tombstones.filter((tombstone) => this.#isDue(Number(tombstone.version)));
    for (const tombstone of due) await this.#delete(tombstone, listed);
    const strays = this.#strays(catalogue, parts, listed);
    const left = catalogue.tombstones.filter((tombstone) => !due.includes(tombstone));
    if (due.length > 0 || strays.length > 0) {
      const next = version + 1;
      const tombstones = [...left, ...strays.map(({ kind, id }) => tombstoneOf(kind, Buffer.from(id, 'hex'), next))];
      const published: Catalogue = { ...catalogue, publishedUnixMillis: BigInt(now), tombstones };
      // When somebody was faster the tombstones stay in the catalogue: to delete what is gone does no harm.
      await publishCatalogue(this.#writer, { newest: this.#history.catalogue, highest: version }, published);
    }
    await this.#deleteVersions(version, left);
    return { deleted: this.deleted, bytes: this.bytes, strays: strays.length };
  }

  #isOld(created: number | undefined): boolean {
    return created !== undefined && this.#now - created >= this.#grace;
  }

  #isDue(version: number): boolean {
    return version <= this.#held && this.#isOld(this.#versions.get(version)?.created);
  }

  async #listReferenced(): Promise<Map<string, Listed>> {
    const { vault, machineId } = this.#writer;
    const listed = new Map<string, Listed>();
    for (const { kind, prefix } of FOLDERS)
      for await (const info of vault.store.list(prefix(machineId))) {
        const id = info.name.slice(prefix(machineId).length);
        listed.set(`${kind} ${id}`, { ...info, kind, id });
      }
    return listed;
  }

  /** Nothing is deleted while anything that is needed is missing. Resolves to the parts that are needed. Errors: DAMAGED. */
  async #checkContinuity(catalogue: Catalogue, listed: ReadonlyMap<string, Listed>): Promise<Set<string>> {
    const needed = new Map<string, bigint>();
    for (const { object } of catalogue.history) needed.set(`${OBJECT_KIND.history} ${idText(object!.id)}`, object!.size);
    for (const ref of catalogue.runs) {
      needed.set(`${OBJECT_KIND.run} ${idText(ref.object!.id)}`, ref.object!.size);
      for (const { object } of (await this.#history.levels.run(ref)).parts)
        needed.set(`${OBJECT_KIND.part} ${idText(object!.id)}`, object!.size);
    }
    for (const [key, size] of needed)
      if (listed.get(key)?.size !== Number(size))
        throw damaged(
          `${key.replace(/^\d+ /, `m/${this.#writer.machineId}/…/`)}`,
          'it is needed and missing, or cut short; nothing is deleted',
        );
    for (const { kind, id } of catalogue.tombstones)
      if (needed.has(`${kind} ${idText(id)}`)) throw damaged(`catalogue of machine ${this.#writer.machineId}`, 'it gives up what it needs');
    return new Set(needed.keys());
  }

  async #delete({ kind, id, below }: Tombstone, listed: ReadonlyMap<string, Listed>): Promise<void> {
    const { vault, machineId } = this.#writer;
    if (kind !== OBJECT_KIND.segment) {
      const info = listed.get(`${kind} ${idText(id)}`);
      if (info !== undefined) await this.#remove(info);
      return;
    }
    for await (const info of vault.store.list(logPrefix(machineId))) {
      if (info.name >= slotName(machineId, Number(below))) break;
      await this.#remove(info);
    }
  }

  /** What nothing refers to, and nobody can be about to refer to any more. */
  #strays({ tombstones }: Catalogue, needed: ReadonlySet<string>, listed: ReadonlyMap<string, Listed>): Listed[] {
    const known = new Set(tombstones.map(({ kind, id }) => `${kind} ${idText(id)}`));
    return [...listed.values()].filter(({ kind, id, created }) => {
      const key = `${kind} ${id}`;
      return !needed.has(key) && !known.has(key) && this.#isOld(created);
    });
  }

  /** Versions that nobody can be reading any more. The time of those that tombstones name is still needed. */
  async #deleteVersions(newest: number, tombstones: readonly Tombstone[]): Promise<void> {
    const first = Math.min(newest - VERSIONS_KEPT, this.#held, ...tombstones.map(({ version }) => Number(version)));
    for (const [version, info] of this.#versions) if (version < first && this.#isOld(info.created)) await this.#remove(info);
  }

  async #remove({ name, size }: ObjectInfo): Promise<void> {
    await this.#writer.vault.store.delete(name);
    this.deleted += 1;
    this.bytes += size;
  }
}

/** Deletes what nobody needs any more. `history` is undamaged. Errors: DAMAGED (something needed is missing), NO_PERMISSION. */
export const releaseObjects = async (
  writer: MachineWriter,
  history: MachineHistory,
  { grace = DAY }: ReleaseOptions,
  now: number,
): Promise<ReleaseReport> =>
  history.catalogue === undefined ? { deleted: 0, bytes: 0, strays: 0 } : new Release(writer, history, grace).run(now);
