import { type Cut, type CutPart, idText } from '@holdfast/protocol';
import { damaged } from './damage.ts';
import type { Slot } from './slot.ts';

/** Where frames of an epoch are: `count` of them from frame `first` of a slot on. */
export interface FrameRun {
  readonly sequence: number;
  readonly first: number;
  readonly count: number;
}

/** A cut whose every part is in slots that count. `runs[i]` are the frames of `cut.epochs[i]` in order. */
export interface AssembledCut {
  /** 0, 1, 2 … over all cuts of the log that count. */
  readonly number: number;
  /** The slot of its last part. */
  readonly sequence: number;
  readonly cut: Cut;
  readonly runs: readonly (readonly FrameRun[])[];
}

interface Unfinished {
  readonly cut: Cut;
  readonly runs: FrameRun[][];
  parts: number;
}

/** What is read of a slot to put cuts together. */
export type CutSlot = Pick<Slot, 'name' | 'sequence' | 'records' | 'frameCount'>;

/** Puts cuts together again out of the parts that the slots hold. */
export class CutAssembler {
  #unfinished: Unfinished | undefined;
  #next: number;
  #isInterrupted = false;

  /** `next` is the number of the next cut. */
  constructor(next = 0) {
    this.#next = next;
  }

  /** The number of the next cut. */
  get next(): number {
    return this.#next;
  }

  /** True when no cut is in the middle of its parts. */
  get isWhole(): boolean {
    return this.#unfinished === undefined;
  }

  /** Slots are lost here: the rest of a cut that began before or in them means nothing. */
  interrupt(): void {
    this.#unfinished = undefined;
    this.#isInterrupted = true;
  }

  /** The cuts that are complete with this slot, in order. Errors: DAMAGED when the slot's records contradict themselves or those before. */
  take(slot: CutSlot): AssembledCut[] {
    const complete: AssembledCut[] = [];
    let frame = 0;
    for (const { record } of slot.records.records) {
      if (record.case === 'fence') this.#unfinished = undefined;
      if (record.case !== 'cut') continue;
      const cut = this.#begin(record.value, slot);
      if (cut === undefined) {
        for (const { count } of record.value.epochs) frame += count;
        continue;
      }
      for (const { epoch, first, count } of record.value.epochs) {
        const runs = cut.runs[epoch];
        if (runs === undefined || Number(first) !== countOf(runs)) throw damaged(slot.name, 'frames of an epoch are missing or double');
        if (count > 0) runs.push({ sequence: slot.sequence, first: frame, count });
        frame += count;
      }
      if (!record.value.last) continue;
      complete.push(this.#finish(cut, slot));
    }
    if (frame !== slot.frameCount) throw damaged(slot.name, `its records tell of ${frame} frames and it has ${slot.frameCount}`);
    return complete;
  }

  #begin(part: CutPart, slot: CutSlot): Unfinished | undefined {
    if (part.part === 0) {
      // An unfinished cut before it was given up by its writer.
      if (part.cut === undefined || idText(part.cut.id) !== idText(part.cutId)) throw damaged(slot.name, 'a cut has no beginning');
      this.#isInterrupted = false;
      this.#unfinished = { cut: part.cut, runs: part.cut.epochs.map(() => []), parts: 1 };
      return this.#unfinished;
    }
    const cut = this.#unfinished;
    if (cut === undefined && this.#isInterrupted) return undefined;
    if (cut === undefined || idText(cut.cut.id) !== idText(part.cutId) || cut.parts !== part.part)
      throw damaged(slot.name, `part ${part.part} of cut ${idText(part.cutId)} does not follow the part before it`);
    cut.parts += 1;
    return cut;
  }

  #finish({ cut, runs }: Unfinished, slot: CutSlot): AssembledCut {
    this.#unfinished = undefined;
    for (const [index, { frameCount }] of cut.epochs.entries())
      if (Number(frameCount) !== countOf(runs[index]!)) throw damaged(slot.name, `cut ${idText(cut.id)} ends without all its frames`);
    const number = this.#next;
    this.#next += 1;
    return { number, sequence: slot.sequence, cut, runs };
  }
}

const countOf = (runs: readonly FrameRun[]): number => runs.reduce((sum, { count }) => sum + count, 0);
