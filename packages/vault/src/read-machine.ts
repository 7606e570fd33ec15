import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { newestCatalogue } from './catalogue.ts';
import { CutAssembler } from './cut-assembler.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Anchor } from './head.ts';
import { HistoryBuilder, type MachineHistory } from './history.ts';
import { LevelSource } from './level-source.ts';
import { type BaseVisitor, type LogBase, readBase } from './log-base.ts';
import { findGap } from './log-gap.ts';
import { LogState } from './log-state.ts';
import { findMachine, type MachineSummary } from './machine.ts';
import { cataloguePrefix, slotName } from './object-names.ts';
import { readSlots } from './read-log.ts';
import { createLogSegments } from './segment-source.ts';
import type { Vault } from './vault.ts';

export interface ReadMachineOptions {
  /** A slot that must still be there, else VAULT_ROLLED_BACK. */
  readonly anchor?: Anchor | undefined;
  /** Also when the store created versions of the catalogue: for keepers. */
  readonly withTimes?: boolean;
}

/** A keeper may publish and delete while somebody reads, though hardly this often. */
const ATTEMPTS = 3;

/**
 * Reads what the catalogue tells of a machine, and its log from there on. A damaged or lost slot ends the reading, is named in `damage` and leaves all
 * before it usable; a damaged catalogue is named too, and the log is read instead. Needs no right but to read. Errors: MACHINE_NOT_FOUND,
 * VAULT_ROLLED_BACK, STORE_UNAVAILABLE.
 */
export const readMachine = async (
  vault: Vault,
  machineId: string,
  { anchor, withTimes = false }: ReadMachineOptions = {},
): Promise<MachineHistory> => {
  const machine = await findMachine(vault, machineId);
  for (let attempt = 1; ; attempt += 1) {
    const reading = new MachineReading(vault, machine, withTimes);
    await reading.run();
    if (attempt < ATTEMPTS && (await reading.wasOutrun())) continue;
    reading.checkAnchor(anchor);
    return reading.history();
  }
};

class MachineReading {
  readonly #vault: Vault;
  readonly #machine: MachineSummary;
  readonly #withTimes: boolean;
  readonly #damage: Finding[];
  #builder: HistoryBuilder;
  #tags = new Map<number, string>();
  #base: LogBase = {
    newest: undefined,
    highest: 0,
    damage: [],
    strangers: [],
    created: new Map(),
    state: new LogState(),
    assembler: new CutAssembler(),
    next: 0,
  };
  #sequence = 0;
  #isCutShort = false;

  constructor(vault: Vault, machine: MachineSummary, withTimes: boolean) {
    this.#vault = vault;
    this.#machine = machine;
    this.#withTimes = withTimes;
    this.#damage = machine.damage === undefined ? [] : [machine.damage];
    this.#builder = new HistoryBuilder(machine.id);
  }

  async run(): Promise<void> {
    await this.#readBase();
    const { state, assembler } = this.#base;
    try {
      for await (const slot of readSlots(this.#vault, this.#machine.id, this.#sequence)) {
        if (state.accepts(slot)) {
          this.#tags.set(slot.sequence, slot.tag);
          for (const cut of assembler.take(slot)) this.#builder.add(cut, slot.name);
          state.advance(slot);
        }
        this.#sequence += 1;
      }
      const gap = await findGap(this.#vault, this.#machine.id, this.#sequence);
      if (gap !== undefined) throw gap;
    } catch (reason) {
      const finding = findingOf(reason, slotName(this.#machine.id, this.#sequence));
      if (finding === undefined) throw reason;
      this.#damage.push(finding);
      this.#isCutShort = true;
    }
  }

  /** True when the slot that ended the reading is missing because a keeper released it meanwhile. */
  async wasOutrun(): Promise<boolean> {
    if (!this.#isCutShort) return false;
    const { newest } = await newestCatalogue(this.#vault, this.#machine.id);
    return newest !== undefined && newest.version > this.#base.highest && Number(newest.catalogue.covered) > this.#sequence;
  }

  checkAnchor(anchor: Anchor | undefined): void {
    const { state, next } = this.#base;
    // Behind damage of the log nothing can be said about the anchor; damage of anything else excuses nothing.
    const isReached = !this.#isCutShort || (anchor?.sequence ?? 0) <= state.head.sequence;
    if (anchor === undefined || !isReached) return;
    checkAnchor(anchor, state.head, tagAt(anchor.sequence, this.#tags, next), this.#machine.id);
  }

  history(): MachineHistory {
    const { newest, state } = this.#base;
    return {
      vault: this.#vault,
      machine: this.#machine,
      head: state.head,
      heads: this.#builder.heads(),
      failedOver: state.failedOver,
      manifests: this.#builder.manifests,
      generations: this.#builder.generations,
      points: this.#builder.points(),
      damage: this.#damage,
      lost: (newest?.catalogue.lost ?? []).map(({ first, last }) => ({ first: Number(first), last: Number(last) })),
      catalogue: newest,
      created: this.#base.created,
      tags: this.#tags,
      segments: createLogSegments(this.#vault, this.#machine.id, this.#tags),
      levels: new LevelSource(this.#vault, this.#machine.id),
    };
  }

  /** What the catalogue tells; when that cannot be read, nothing: the log has to tell it then. */
  async #readBase(): Promise<void> {
    const { id } = this.#machine;
    try {
      const visitor: BaseVisitor = {
        onGenerations: (summaries) => this.#builder.load(summaries),
        onCut: (cut, name, isLoaded) => (isLoaded ? this.#builder.tell(cut) : this.#builder.add(cut, name)),
        onSlot: (sequence, tag) => this.#tags.set(sequence, tag),
      };
      this.#base = await readBase(this.#vault, id, visitor, this.#withTimes);
      const { head } = this.#base.state;
      if (head.sequence >= 0) this.#tags.set(head.sequence, head.tag);
      this.#sequence = this.#base.next;
      this.#damage.push(...this.#base.damage, ...this.#base.strangers);
    } catch (reason) {
      if (!isHoldfastError(reason, 'DAMAGED')) throw reason;
      this.#damage.push(findingOf(reason, cataloguePrefix(id))!);
      this.#builder = new HistoryBuilder(id);
      this.#tags.clear();
    }
  }
}

/** The tag that an anchor has to have. Of slots below the tail only those are known that something refers to; the others are vouched for by the catalogue. */
const tagAt = (sequence: number, tags: ReadonlyMap<number, string>, covered: number): string | 'vouched for' | undefined =>
  tags.get(sequence) ?? (sequence < covered ? 'vouched for' : undefined);

/** Refuses a log in which a slot seen before is missing or different. `tag` is that of the slot which is there now. */
export const checkAnchor = (anchor: Anchor, head: Anchor, tag: string | undefined, machineId: string): void => {
  if (anchor.sequence < 0 || tag === anchor.tag || tag === 'vouched for') return;
  const what = tag === undefined ? `it ends at slot ${head.sequence}` : 'another slot is in that place';
  throw new HoldfastError('VAULT_ROLLED_BACK', {
    thing: `log of machine ${machineId}`,
    why: `slot ${anchor.sequence} was seen in it before, and now ${what}`,
    remedy:
      'find out who put an older copy in place; keep this vault as it is and resynchronize into it only when its newest points are given up',
  });
};
