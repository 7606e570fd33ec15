import { isHoldfastError } from '@holdfast/errors';
import { idText, type ObjectRef } from '@holdfast/protocol';
import type { FrameRun } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import { decodeFrame, decodeLazily, extentsOf } from './decode-frame.ts';
import { type Finding, findingOf } from './finding.ts';
import type { EpochEntry, MachineHistory } from './history.ts';
import { entriesOf } from './level-source.ts';
import { OBJECT_KIND, type ObjectKind } from './object-header.ts';
import { decodePartIndex } from './part-index.ts';
import { openObject, readWhole } from './read-object.ts';
import { checkReferenced, type ReferencedKind, referencedName } from './referenced-object.ts';
import type { ObjectHead } from './sealed-object.ts';
import { EXTENT_KIND } from './segment-index.ts';
import { asSegment } from './segment-source.ts';
import type { Slot } from './slot.ts';

/** A run of frames and whose they are. */
export interface Placed {
  readonly entry: EpochEntry;
  readonly run: FrameRun;
}

/** Why of an object that is missing. */
export const GONE = 'it was there and is gone';

/** What of the log is needed, by slot. */
export const placedBySlot = ({ generations, catalogue }: MachineHistory): Map<number, Placed[]> => {
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

/** Reads single objects of a machine in full and notes what is wrong with them. */
export class ObjectCheck {
  readonly findings: Finding[];
  frames = 0;
  /** Bytes of objects read by it. */
  bytes = 0;
  readonly #history: MachineHistory;

  constructor(history: MachineHistory, findings: Finding[]) {
    this.#history = history;
    this.findings = findings;
  }

  find(object: string, code: Finding['code'], why: string): void {
    this.findings.push({ code, object, why });
  }

  /** Notes what an error says of an object; throws it again when it says nothing of what the vault holds. */
  note(reason: unknown, object: string, where: Pick<Finding, 'frame' | 'diskId' | 'extents'> = {}): void {
    const finding = isHoldfastError(reason, 'OBJECT_NOT_FOUND')
      ? { code: 'DAMAGED' as const, object, why: GONE }
      : findingOf(reason, object);
    if (finding === undefined) throw reason;
    this.findings.push({ ...finding, ...where });
  }

  /** Every frame of a slot, in full in `bytes`, that somebody needs; the whole ones are given to `onFrame`, `undefined` for one that is not. */
  async slotFrames(
    slot: Slot,
    bytes: Buffer,
    placed: readonly Placed[],
    onFrame: (placed: Placed, serialized: Buffer | undefined) => void = () => {},
    onRun: (placed: Placed) => void = () => {},
  ): Promise<void> {
    const segment = asSegment(this.#history.vault, slot);
    for (const one of placed) {
      const { entry, run } = one;
      for (let number = run.first; number < run.first + run.count; number += 1) {
        this.frames += 1;
        try {
          const sealed = bytes.subarray(segment.index.positions[number]!, segment.index.positions[number + 1]!);
          onFrame(one, (await decodeFrame(segment, number, sealed)).serialized);
        } catch (reason) {
          onFrame(one, undefined);
          const diskId = idText(entry.epoch.diskId);
          this.note(reason, slot.name, { frame: number, diskId, extents: extentsOf(segment.index, number) });
        }
      }
      onRun(one);
    }
  }

  /** An object that something refers to. */
  async referenced(
    kind: ReferencedKind,
    ref: ObjectRef,
    check: (head: ObjectHead, bytes: Buffer, name: string) => Promise<void> = async () => {},
  ): Promise<void> {
    const { vault, machine } = this.#history;
    const name = referencedName(machine.id, kind, idText(ref.id))!;
    try {
      const bytes = await readWhole(vault.store, name);
      this.bytes += bytes.length;
      const head = await openObject(vault, name, { kind, machineId: machine.id, number: 0 }, bytes);
      checkReferenced(head, ref, name);
      if (BigInt(bytes.length) !== ref.size) this.find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${ref.size}`);
      await check(head, bytes, name);
    } catch (reason) {
      this.note(reason, name);
    }
  }

  /** A part of a run: every frame and every block of it. */
  part(ref: ObjectRef, diskId: string): Promise<void> {
    return this.referenced(OBJECT_KIND.part, ref, (head, bytes, name) => this.#part(head, bytes, name, diskId));
  }

  async #part(head: ObjectHead, bytes: Buffer, name: string, diskId: string): Promise<void> {
    const index = decodePartIndex(head.index, head.header, head.framesAt, name);
    const entries = [...entriesOf(index)].filter(({ kind }) => kind === EXTENT_KIND.data);
    const byFrame = Map.groupBy(entries, ({ frame }) => frame);
    for (let frame = 0; frame < head.header.frameCount; frame += 1) {
      this.frames += 1;
      const extents = byFrame.get(frame) ?? [];
      try {
        const data = await decodeLazily(head.openFrame, frame, bytes.subarray(index.positions[frame]!, index.positions[frame + 1]!), true);
        data.slice(0, data.length);
        const isThere = extents.every(
          ({ offset, length, position }) => position + length <= data.length && data.offsetAt(position) === offset,
        );
        if (!isThere) throw damaged(name, `frame ${frame} of it does not hold what its index says`);
      } catch (reason) {
        this.note(reason, name, { frame, diskId, extents: extents.map(({ offset, length }) => ({ offset, length })) });
      }
    }
  }

  /** Objects with a number for a name, and without frames: data keys, terms. Resolves to their bytes. */
  async numbered(name: string, kind: ObjectKind, number: number): Promise<number> {
    const { vault, machine } = this.#history;
    try {
      const bytes = await readWhole(vault.store, name);
      const { framesAt } = await openObject(vault, name, { kind, machineId: machine.id, number }, bytes);
      if (framesAt !== bytes.length) this.find(name, 'DAMAGED', `it has ${bytes.length} bytes and should have ${framesAt}`);
      return bytes.length;
    } catch (reason) {
      this.note(reason, name);
      return 0;
    }
  }
}
