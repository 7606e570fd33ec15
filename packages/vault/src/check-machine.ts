import { type ContentDigest, createContentDigest } from '@holdfast/block';
import { idText } from '@holdfast/protocol';
import { GONE, ObjectCheck, type Placed, placedBySlot } from './check-object.ts';
import type { Finding } from './finding.ts';
import type { EpochEntry, MachineHistory } from './history.ts';
import { findGap, listedSlots, slotsToRead } from './log-gap.ts';
import { LogState } from './log-state.ts';
import { OBJECT_KIND, type ObjectKind } from './object-header.ts';
import { logPrefix, slotName } from './object-names.ts';
import { ifPresent, readWhole } from './read-object.ts';
import { parseSlot } from './slot.ts';

export interface CheckOptions {
  /** Called after each slot. */
  readonly onProgress?: (slotsDone: number) => void;
}

export interface CheckReport {
  /** Slots read, orphans included. */
  readonly slots: number;
  /** Slots of writers that were fenced out: no damage. */
  readonly orphans: number;
  /** Slots behind the first empty one: left by a writer that died, or, when there are many, the sign of a lost slot, which is a finding then. */
  readonly strays: number;
  readonly frames: number;
  /** Bytes of objects read. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

class MachineCheck {
  readonly #history: MachineHistory;
  readonly #check: ObjectCheck;
  readonly #state = new LogState();
  readonly #placed: Map<number, Placed[]>;
  readonly #digests = new Map<EpochEntry, ContentDigest>();
  readonly #broken = new Set<EpochEntry>();
  #linked = true;
  #slots = 0;
  #orphans = 0;
  #slotBytes = 0;

  constructor(history: MachineHistory) {
    this.#history = history;
    this.#placed = placedBySlot(history);
    this.#check = new ObjectCheck(history, history.machine.damage === undefined ? [] : [history.machine.damage]);
  }

  async run({ onProgress }: CheckOptions): Promise<CheckReport> {
    const { vault, machine, head, damage, catalogue, lost, levels } = this.#history;
    const check = this.#check;
    const first = Number(catalogue?.catalogue.firstSlot ?? 0n);
    const listed = [...(await listedSlots(vault, machine.id)).keys()];
    for (const sequence of slotsToRead({ first, last: head.sequence }, listed, lost)) {
      if (!(await this.#checkSlot(sequence))) check.find(slotName(machine.id, sequence), 'DAMAGED', GONE);
      onProgress?.(sequence + 1);
    }
    // Behind damage nobody knows where the log ends.
    let sequence = Math.max(first, head.sequence + 1);
    const stepOver = (): void => {
      for (const range of lost) if (range.first <= sequence && sequence <= range.last) sequence = range.last + 1;
    };
    stepOver();
    while (damage.length > 0 && (await this.#checkSlot(sequence))) {
      onProgress?.(sequence + 1);
      sequence += 1;
      stepOver();
    }
    for (const { object } of catalogue?.catalogue.history ?? []) await check.referenced(OBJECT_KIND.history, object!);
    for (const ref of catalogue?.catalogue.runs ?? [])
      await check.referenced(OBJECT_KIND.run, ref.object!, async () => {
        const { parts } = await levels.run(ref);
        for (const { object } of parts) await check.part(object!, idText(ref.diskId));
      });
    await this.#checkNumbered('keys', OBJECT_KIND.dataKey);
    await this.#checkNumbered('terms', OBJECT_KIND.term);
    const strays = await this.#countStrays(sequence);
    const gap = await findGap(vault, machine.id, sequence);
    if (gap !== undefined) check.find(slotName(machine.id, sequence), 'DAMAGED', gap.why);
    const { frames, bytes, findings } = check;
    return { slots: this.#slots, orphans: this.#orphans, strays, frames, bytes: bytes + this.#slotBytes, findings };
  }

  /** False when the slot is not there. */
  async #checkSlot(sequence: number): Promise<boolean> {
    const { vault, machine } = this.#history;
    const name = slotName(machine.id, sequence);
    try {
      const bytes = await ifPresent(readWhole(vault.store, name));
      if (bytes === undefined) return false;
      this.#slots += 1;
      this.#slotBytes += bytes.length;
      const slot = await parseSlot(vault, machine.id, sequence, bytes);
      if (slot.size !== bytes.length) this.#check.find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${slot.size}`);
      // Behind a damaged slot nothing can be said about links, except of slots that the catalogue refers to.
      const isKnown = this.#history.tags.get(sequence) === slot.tag;
      if (!isKnown && this.#history.tags.has(sequence))
        this.#check.find(name, 'DAMAGED', 'it is not what it was: somebody put another in its place');
      else if (!isKnown && this.#linked && !this.#state.accepts(slot)) this.#orphans += 1;
      else {
        this.#state.advance(slot);
        await this.#check.slotFrames(
          slot,
          bytes,
          this.#placed.get(sequence) ?? [],
          ({ entry, run }, serialized) => this.#digest(entry, run === entry.runs[0], serialized),
          ({ entry, run }) => run === entry.runs.at(-1) && this.#checkDigest(entry, name),
        );
      }
    } catch (reason) {
      this.#check.note(reason, name);
      this.#linked = false;
    }
    return true;
  }

  /** Frames of an epoch, one after the other; an epoch of which one is not whole has no digest. */
  #digest(entry: EpochEntry, isFirstRun: boolean, serialized: Buffer | undefined): void {
    if (isFirstRun && !this.#digests.has(entry)) this.#digests.set(entry, createContentDigest());
    if (serialized === undefined) this.#broken.add(entry);
    else this.#digests.get(entry)?.add(serialized);
  }

  #checkDigest(entry: EpochEntry, name: string): void {
    const digest = this.#digests.get(entry)?.value();
    this.#digests.delete(entry);
    const isBroken = this.#broken.delete(entry);
    if (digest === undefined || isBroken || Buffer.compare(digest, entry.epoch.contentDigest) === 0) return;
    const diskId = idText(entry.epoch.diskId);
    this.#check.find(name, 'DAMAGED', `epoch ${entry.epoch.number} of disk ${diskId} fails its content digest`);
  }

  /** Data keys and terms: small objects with a number for a name. */
  async #checkNumbered(folder: string, kind: ObjectKind): Promise<void> {
    const { vault, machine } = this.#history;
    const prefix = `m/${machine.id}/${folder}/`;
    for await (const { name } of vault.store.list(prefix)) await this.#check.numbered(name, kind, Number(name.slice(prefix.length)));
  }

  async #countStrays(end: number): Promise<number> {
    const { vault, machine } = this.#history;
    if ((await ifPresent(vault.store.stat(slotName(machine.id, end)))) !== undefined) return 0;
    let strays = 0;
    for await (const _ of vault.store.list(logPrefix(machine.id), { after: slotName(machine.id, end) })) strays += 1;
    return strays;
  }
}

/**
 * Reads every slot of the machine in full, up to where the history ends, and checks links, tags, every frame, the digest of every block and of every
 * epoch; also its keys and terms. What it finds is reported, not thrown. Errors: STORE_UNAVAILABLE.
 */
export const checkMachine = (history: MachineHistory, options: CheckOptions = {}): Promise<CheckReport> =>
  new MachineCheck(history).run(options);
