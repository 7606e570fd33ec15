import { HoldfastError } from '@holdfast/errors';
import { CutAssembler } from './cut-assembler.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Anchor } from './head.ts';
import { HistoryBuilder, type MachineHistory } from './history.ts';
import { findGap } from './log-gap.ts';
import { LogState } from './log-state.ts';
import { findMachine } from './machine.ts';
import { slotName } from './object-names.ts';
import { readSlots } from './read-log.ts';
import { createLogSegments } from './segment-source.ts';
import type { Vault } from './vault.ts';

export interface ReadMachineOptions {
  /** A slot that must still be there, else VAULT_ROLLED_BACK. */
  readonly anchor?: Anchor;
}

/**
 * Reads the log of a machine. A damaged or lost slot ends the reading, is named in `damage` and leaves all before it usable. Needs no right but to read.
 * Errors: MACHINE_NOT_FOUND, VAULT_ROLLED_BACK, STORE_UNAVAILABLE.
 */
export const readMachine = async (vault: Vault, machineId: string, { anchor }: ReadMachineOptions = {}): Promise<MachineHistory> => {
  const machine = await findMachine(vault, machineId);
  const damage: Finding[] = machine.damage === undefined ? [] : [machine.damage];
  const state = new LogState();
  const assembler = new CutAssembler();
  const builder = new HistoryBuilder(machineId);
  const tags = new Map<number, string>();
  let sequence = 0;
  let cutShort = false;
  try {
    for await (const slot of readSlots(vault, machineId)) {
      if (state.accepts(slot)) {
        tags.set(slot.sequence, slot.tag);
        for (const cut of assembler.take(slot)) builder.add(cut, slot.name);
        state.advance(slot);
      }
      sequence += 1;
    }
    const gap = await findGap(vault, machineId, sequence);
    if (gap !== undefined) throw gap;
  } catch (reason) {
    const finding = findingOf(reason, slotName(machineId, sequence));
    if (finding === undefined) throw reason;
    damage.push(finding);
    cutShort = true;
  }
  // Behind damage of the log nothing can be said about the anchor; damage of anything else excuses nothing.
  const reached = !cutShort || (anchor?.sequence ?? 0) <= state.head.sequence;
  if (anchor !== undefined && reached) checkAnchor(anchor, state.head, tags.get(anchor.sequence), machineId);
  return {
    vault,
    machine,
    head: state.head,
    heads: builder.heads(),
    failedOver: state.failedOver,
    manifests: builder.manifests,
    generations: builder.generations,
    points: builder.points(),
    damage,
    segments: createLogSegments(vault, machineId, tags),
  };
};

/** Refuses a log in which a slot seen before is missing or different. `tag` is that of the slot which is there now. */
export const checkAnchor = (anchor: Anchor, head: Anchor, tag: string | undefined, machineId: string): void => {
  if (anchor.sequence < 0 || tag === anchor.tag) return;
  const what = tag === undefined ? `it ends at slot ${head.sequence}` : 'another slot is in that place';
  throw new HoldfastError('VAULT_ROLLED_BACK', {
    thing: `log of machine ${machineId}`,
    why: `slot ${anchor.sequence} was seen in it before, and now ${what}`,
    remedy:
      'find out who put an older copy in place; keep this vault as it is and resynchronize into it only when its newest points are given up',
  });
};
