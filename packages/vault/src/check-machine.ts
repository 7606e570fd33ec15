import { createHash, type Hash } from 'node:crypto';
import { isHoldfastError } from '@holdfast/errors';
import { idText, type ObjectRef } from '@holdfast/protocol';
import type { FrameRun } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import { decodeFrame, decodeLazily, extentsOf } from './decode-frame.ts';
import { type Finding, findingOf } from './finding.ts';
import type { EpochEntry, MachineHistory } from './history.ts';
import { entriesOf } from './level-source.ts';
import { findGap } from './log-gap.ts';
import { LogState } from './log-state.ts';
import { OBJECT_KIND, type ObjectKind } from './object-header.ts';
import { logPrefix, slotName } from './object-names.ts';
import { decodePartIndex } from './part-index.ts';
import { ifPresent, openObject } from './read-object.ts';
import { checkReferenced, type ReferencedKind, referencedName } from './referenced-object.ts';
import type { ObjectHead } from './sealed-object.ts';
import { EXTENT_KIND } from './segment-index.ts';
import { asSegment } from './segment-source.ts';
import { parseSlot, type Slot } from './slot.ts';

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
  /** Bytes of slots read. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

/** A run of frames and whose they are. */
interface Placed {
  readonly entry: EpochEntry;
  readonly run: FrameRun;
}

class MachineCheck {
  readonly #history: MachineHistory;
  readonly #state = new LogState();
  readonly #placed: Map<number, Placed[]>;
  readonly #hashes = new Map<EpochEntry, Hash>();
  readonly #findings: Finding[];
  #linked = true;
  #slots = 0;
  #orphans = 0;
  #frames = 0;
  #bytes = 0;

  constructor(history: MachineHistory) {
    this.#history = history;
    this.#placed = placedBySlot(history);
    this.#findings = history.machine.damage === undefined ? [] : [history.machine.damage];
  }

  async run({ onProgress }: CheckOptions): Promise<CheckReport> {
    const { vault, machine, head, damage, catalogue, lost } = this.#history;
    let sequence = Number(catalogue?.catalogue.firstSlot ?? 0n);
    for (; damage.length > 0 || sequence <= head.sequence; sequence += 1) {
      const name = slotName(machine.id, sequence);
      const stepped = lost.find(({ first, last }) => first <= sequence && sequence <= last);
      if (stepped !== undefined) {
        sequence = stepped.last;
        continue;
      }
      const bytes = await ifPresent(vault.store.read(name));
      if (bytes === undefined && sequence > head.sequence) break;
      if (bytes === undefined) this.#find(name, 'DAMAGED', 'it was there and is gone');
      else await this.#checkSlot(sequence, name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      onProgress?.(sequence + 1);
    }
    await this.#checkHistory();
    await this.#checkRuns();
    await this.#checkNumbered('keys', OBJECT_KIND.dataKey);
    await this.#checkNumbered('terms', OBJECT_KIND.term);
    const strays = await this.#countStrays(sequence);
    const gap = await findGap(vault, machine.id, sequence);
    if (gap !== undefined) this.#find(slotName(machine.id, sequence), 'DAMAGED', gap.why);
    return {
      slots: this.#slots,
      orphans: this.#orphans,
      strays,
      frames: this.#frames,
      bytes: this.#bytes,
      findings: this.#findings,
    };
  }

  async #checkSlot(sequence: number, name: string, bytes: Buffer): Promise<void> {
    const { vault, machine } = this.#history;
    this.#slots += 1;
    this.#bytes += bytes.length;
    try {
      const slot = await parseSlot(vault, machine.id, sequence, bytes);
      if (slot.size !== bytes.length) this.#find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${slot.size}`);
      // Behind a damaged slot nothing can be said about links, except of slots that the catalogue refers to.
      const isKnown = this.#history.tags.get(sequence) === slot.tag;
      if (!isKnown && this.#history.tags.has(sequence))
        this.#find(name, 'DAMAGED', 'it is not what it was: somebody put another in its place');
      else if (!isKnown && this.#linked && !this.#state.accepts(slot)) this.#orphans += 1;
      else {
        this.#state.advance(slot);
        await this.#checkFrames(slot, bytes);
      }
    } catch (reason) {
      const finding = findingOf(reason, name);
      if (finding === undefined) throw reason;
      this.#linked = false;
      this.#findings.push(finding);
    }
  }

  async #checkFrames(slot: Slot, bytes: Buffer): Promise<void> {
    const segment = asSegment(this.#history.vault, slot);
    for (const { entry, run } of this.#placed.get(slot.sequence) ?? []) {
      if (run === entry.runs[0]) this.#hashes.set(entry, createHash('sha256'));
      for (let number = run.first; number < run.first + run.count; number += 1) {
        this.#frames += 1;
        try {
          const sealed = bytes.subarray(segment.index.positions[number]!, segment.index.positions[number + 1]!);
          const { serialized } = await decodeFrame(segment, number, sealed);
          this.#hashes.get(entry)?.update(serialized);
        } catch (reason) {
          const finding = findingOf(reason, slot.name);
          if (finding === undefined) throw reason;
          this.#hashes.delete(entry);
          this.#findings.push({ ...finding, diskId: idText(entry.epoch.diskId), extents: extentsOf(segment.index, number) });
        }
      }
      if (run === entry.runs.at(-1)) this.#checkDigest(entry, slot.name);
    }
  }

  #checkDigest(entry: EpochEntry, name: string): void {
    const digest = this.#hashes.get(entry)?.digest();
    this.#hashes.delete(entry);
    if (digest === undefined || Buffer.compare(digest, entry.epoch.contentDigest) === 0) return;
    const diskId = idText(entry.epoch.diskId);
    this.#find(name, 'DAMAGED', `epoch ${entry.epoch.number} of disk ${diskId} fails its content digest`);
  }

  /** The objects that the catalogue tells the cuts by. */
  async #checkHistory(): Promise<void> {
    for (const { object } of this.#history.catalogue?.catalogue.history ?? [])
      await this.#checkReferenced(OBJECT_KIND.history, object!, async () => {});
  }

  /** What lies below the tail: every frame of every part. */
  async #checkRuns(): Promise<void> {
    const { levels, catalogue } = this.#history;
    for (const ref of catalogue?.catalogue.runs ?? []) {
      const diskId = idText(ref.diskId);
      await this.#checkReferenced(OBJECT_KIND.run, ref.object!, async () => {
        const { parts } = await levels.run(ref);
        for (const part of parts)
          await this.#checkReferenced(OBJECT_KIND.part, part.object!, (head, bytes, name) => this.#checkPart(head, bytes, name, diskId));
      });
    }
  }

  async #checkPart(head: ObjectHead, bytes: Buffer, name: string, diskId: string): Promise<void> {
    const index = decodePartIndex(head.index, head.header, head.framesAt, name);
    const entries = [...entriesOf(index)].filter(({ kind }) => kind === EXTENT_KIND.data);
    const byFrame = Map.groupBy(entries, ({ frame }) => frame);
    for (let frame = 0; frame < head.header.frameCount; frame += 1) {
      this.#frames += 1;
      const extents = byFrame.get(frame) ?? [];
      try {
        const data = await decodeLazily(head.openFrame, frame, bytes.subarray(index.positions[frame]!, index.positions[frame + 1]!));
        data.slice(0, data.length);
        const isThere = extents.every(
          ({ offset, length, position }) => position + length <= data.length && data.offsetAt(position) === offset,
        );
        if (!isThere) throw damaged(name, `frame ${frame} of it does not hold what its index says`);
      } catch (reason) {
        const finding = findingOf(reason, name);
        if (finding === undefined) throw reason;
        this.#findings.push({ ...finding, diskId, extents: extents.map(({ offset, length }) => ({ offset, length })) });
      }
    }
  }

  /** Reads an object that something refers to in full. */
  async #checkReferenced(
    kind: ReferencedKind,
    ref: ObjectRef,
    check: (head: ObjectHead, bytes: Buffer, name: string) => Promise<void>,
  ): Promise<void> {
    const { vault, machine } = this.#history;
    const name = referencedName(machine.id, kind, idText(ref.id))!;
    try {
      const bytes = Buffer.from(await vault.store.read(name));
      this.#bytes += bytes.length;
      const head = await openObject(vault, name, { kind, machineId: machine.id, number: 0 }, bytes);
      checkReferenced(head, ref, name);
      if (BigInt(bytes.length) !== ref.size) this.#find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${ref.size}`);
      await check(head, bytes, name);
    } catch (reason) {
      const finding = isHoldfastError(reason, 'OBJECT_NOT_FOUND')
        ? { code: 'DAMAGED' as const, object: name, why: 'it was there and is gone' }
        : findingOf(reason, name);
      if (finding === undefined) throw reason;
      this.#findings.push(finding);
    }
  }

  /** Data keys and terms: small objects with a number for a name. */
  async #checkNumbered(folder: string, kind: ObjectKind): Promise<void> {
    const { vault, machine } = this.#history;
    const prefix = `m/${machine.id}/${folder}/`;
    for await (const { name } of vault.store.list(prefix)) {
      const number = Number(name.slice(prefix.length));
      try {
        const bytes = Buffer.from(await vault.store.read(name));
        const { framesAt } = await openObject(vault, name, { kind, machineId: machine.id, number }, bytes);
        if (framesAt !== bytes.length) this.#find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${framesAt}`);
      } catch (reason) {
        const finding = findingOf(reason, name);
        if (finding === undefined) throw reason;
        this.#findings.push(finding);
      }
    }
  }

  #find(object: string, code: Finding['code'], why: string): void {
    this.#findings.push({ code, object, why });
  }

  async #countStrays(end: number): Promise<number> {
    const { vault, machine } = this.#history;
    if ((await ifPresent(vault.store.stat(slotName(machine.id, end)))) !== undefined) return 0;
    let strays = 0;
    for await (const _ of vault.store.list(logPrefix(machine.id), { after: slotName(machine.id, end) })) strays += 1;
    return strays;
  }
}

const placedBySlot = ({ generations, catalogue }: MachineHistory): Map<number, Placed[]> => {
  const bySlot = new Map<number, Placed[]>();
  const compacted = Number(catalogue?.catalogue.compacted ?? 0n);
  for (const { epochs } of generations.values())
    for (const entry of epochs.filter(({ cut }) => cut >= compacted))
      for (const run of entry.runs) {
        const placed = bySlot.get(run.sequence);
        if (placed === undefined) bySlot.set(run.sequence, [{ entry, run }]);
        else placed.push({ entry, run });
      }
  return bySlot;
};

/**
 * Reads every slot of the machine in full, up to where the history ends, and checks links, tags, every frame, the digest of every block and of every
 * epoch; also its keys and terms. What it finds is reported, not thrown. Errors: STORE_UNAVAILABLE.
 */
export const checkMachine = (history: MachineHistory, options: CheckOptions = {}): Promise<CheckReport> =>
  new MachineCheck(history).run(options);
