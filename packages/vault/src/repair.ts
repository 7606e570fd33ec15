import { create } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { LostSlotsSchema, newId } from '@holdfast/protocol';
import { type CatalogueVersion, type NewestCatalogue, newestCatalogue, publishCatalogue, stateOf } from './catalogue.ts';
import { checkpointContent } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import { type AssembledCut, CutAssembler } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import type { Finding } from './finding.ts';
import type { Anchor } from './head.ts';
import { HistoryBuilder } from './history.ts';
import { placedCut } from './history-object.ts';
import type { KeeperKey } from './keeper-key.ts';
import { readCuts } from './log-base.ts';
import { findGap } from './log-gap.ts';
import { LogState } from './log-state.ts';
import { readMachine } from './read-machine.ts';
import { readSlot, type Slot } from './slot.ts';
import { takeTerm } from './terms.ts';
import type { Vault } from './vault.ts';

export interface RepairOptions {
  /** The highest term the caller has ever seen. */
  readonly seenTerm?: number;
  /** An older catalogue version to go on from, or the log alone; what newer ones told is told by the log, or by nobody. */
  readonly base?: CatalogueVersion | 'log';
  /** Vouches for what is published. */
  readonly keeperKey?: KeeperKey | undefined;
  readonly clock?: Clock;
}

export interface RepairReport {
  /** Slots stepped over now, both ends included; what they held is lost. */
  readonly lost: readonly { readonly first: number; readonly last: number }[];
  /** Cuts behind them that rest on what is lost. */
  readonly voidCuts: number;
  /** Where the log stands now; the anchor to keep. */
  readonly head: Anchor;
}

/** Slots behind a lost one that are looked at to find out which of them count: more than any writer has in flight. */
const LOOK_AHEAD = 32;
const ATTEMPTS = 5;

/** Reads a log whatever is damaged, steps over that, and remembers what is left. */
class LogRepair {
  readonly lost: { readonly first: number; readonly last: number }[] = [];
  readonly cuts: AssembledCut[] = [];
  readonly slots: { readonly sequence: number; readonly tag: string }[] = [];
  voidCuts = 0;
  readonly #vault: Vault;
  readonly #machineId: string;
  #builder: HistoryBuilder;
  #state = new LogState();
  #assembler = new CutAssembler();
  #next = 0;
  #found: NewestCatalogue = { newest: undefined, highest: 0, damage: [], strangers: [], created: new Map() };

  readonly #base: RepairOptions['base'];

  constructor(vault: Vault, machineId: string, base: RepairOptions['base']) {
    this.#vault = vault;
    this.#machineId = machineId;
    this.#base = base;
    this.#builder = new HistoryBuilder(machineId);
  }

  async run(): Promise<void> {
    await this.#readCatalogue();
    for (;;) {
      const slot = await this.#read(this.#next);
      if (slot === undefined) return;
      if (slot === 'lost') await this.#stepOver();
      else this.#take(slot);
    }
  }

  /** Publishes what was found; false when somebody else published something meanwhile. */
  async publish(term: number, keyEpoch: number, now: number, keeperKey: KeeperKey | undefined): Promise<Anchor | undefined> {
    const writer = { vault: this.#vault, machineId: this.#machineId, keyEpoch, keeperKey };
    // What older writers still put behind is shut out, as by a fence.
    this.#state.fenceTerm = term;
    const content = await checkpointContent(writer, this.#found.newest?.catalogue, {
      cuts: this.cuts.map(placedCut),
      slots: this.slots,
      covered: this.#next,
      state: this.#state,
      nextCut: this.#assembler.next,
      now,
      version: this.#found.highest + 1,
    });
    const lost = this.lost.map(({ first, last }) => create(LostSlotsSchema, { first: BigInt(first), last: BigInt(last) }));
    const published = await publishCatalogue(writer, this.#found, { ...content, lost: [...content.lost, ...lost] });
    return published === undefined ? undefined : this.#state.head;
  }

  async #readCatalogue(): Promise<void> {
    const found = await newestCatalogue(this.#vault, this.#machineId);
    const base = this.#base === undefined ? found.newest : this.#base === 'log' ? undefined : this.#base;
    this.#found = { ...found, newest: base };
    const { newest, damage } = this.#found;
    if (newest === undefined) return this.#requireLog(damage[0]);
    try {
      await readCuts(this.#vault, this.#machineId, newest.catalogue, {
        onGenerations: (summaries) => this.#builder.load(summaries),
        onCut: (cut, name, isLoaded) => (isLoaded ? this.#builder.tell(cut) : this.#builder.add(cut, name)),
      });
      this.#state = stateOf(newest.catalogue);
      this.#assembler = new CutAssembler(Number(newest.catalogue.cuts));
      this.#next = Number(newest.catalogue.covered);
    } catch (reason) {
      // Only the log can tell the cuts then; of those it does not have any more nobody can.
      if (!isHoldfastError(reason, 'DAMAGED') || newest.catalogue.compacted > 0n || newest.catalogue.firstSlot > 0n) throw reason;
      this.#builder = new HistoryBuilder(this.#machineId);
      this.#found = { ...this.#found, newest: undefined };
    }
  }

  /** When no version of the catalogue can be read, the log has to be there from its beginning. */
  async #requireLog(damage: Finding | undefined): Promise<void> {
    if (damage === undefined || (await this.#read(0)) !== undefined) return;
    throw damaged(damage.object, `${damage.why}, and what it told of the log is nowhere else`);
  }

  async #read(sequence: number): Promise<Slot | 'lost' | undefined> {
    try {
      const slot = await readSlot(this.#vault, this.#machineId, sequence);
      if (slot !== undefined) return slot;
    } catch (reason) {
      if (isHoldfastError(reason, 'DAMAGED')) return 'lost';
      throw reason;
    }
    return (await findGap(this.#vault, this.#machineId, sequence)) === undefined ? undefined : 'lost';
  }

  /** From the first lost slot to the next one that is not. */
  async #stepOver(): Promise<void> {
    const first = this.#next;
    const ahead: Slot[] = [];
    let last = first;
    for (let sequence = first + 1; ahead.length < LOOK_AHEAD; sequence += 1) {
      const slot = await this.#read(sequence);
      if (slot === undefined || (slot === 'lost' && ahead.length > 0)) break;
      if (slot === 'lost') last = sequence;
      else ahead.push(slot);
    }
    this.lost.push({ first, last });
    this.#next = last + 1;
    const tag = followedTag(this.#state, last, ahead);
    if (tag !== undefined) {
      this.#state.head = { sequence: last, tag, term: this.#state.head.term };
      this.#assembler.interrupt();
    }
    for (const slot of ahead) this.#take(slot);
  }

  #take(slot: Slot): void {
    this.#next = slot.sequence + 1;
    if (!this.#state.accepts(slot)) return;
    for (const cut of this.#assembler.take(slot)) this.#admit(cut, slot.name);
    this.#state.advance(slot);
    this.slots.push({ sequence: slot.sequence, tag: slot.tag });
  }

  #admit(cut: AssembledCut, name: string): void {
    try {
      this.#builder.add(cut, name);
      this.cuts.push(cut);
    } catch (reason) {
      if (this.lost.length === 0 || !isHoldfastError(reason, 'DAMAGED')) throw reason;
      this.voidCuts += 1;
    }
  }
}

/**
 * What the lost slots' last one had for a tag, told by the slots behind: `undefined` when those go on from the head before, so that the lost ones did
 * not count. Where writers shut each other out there are several stories. Every fence counts, for who wrote it had read the log to that very slot (but
 * for one that an earlier repair shut out): a story without one of those that are there is not true. Of the others it is the one of the highest term,
 * and of one term the longest.
 */
const followedTag = (state: LogState, last: number, ahead: readonly Slot[]): string | undefined => {
  let best = { term: 0, sequence: -1, tag: undefined as string | undefined };
  for (const tag of new Set([state.head.tag, ...ahead.map(({ previousTag }) => previousTag)])) {
    const story = state.copy();
    story.head = { ...state.head, sequence: last, tag };
    let missesFence = false;
    for (const slot of ahead)
      if (story.accepts(slot)) story.advance(slot);
      else missesFence ||= isFence(slot) && slot.records.term >= state.fenceTerm;
    if (missesFence || story.head.tag === tag) continue;
    const { term, sequence } = story.head;
    if (term > best.term || (term === best.term && sequence > best.sequence))
      best = { term, sequence, tag: tag === state.head.tag ? undefined : tag };
  }
  return best.tag;
};

const isFence = ({ records }: Slot): boolean => records.records.some(({ record }) => record.case === 'fence');

/**
 * Steps over slots that are damaged or lost, for good, so that the log can be read and written again behind them. What they held is lost: cuts that
 * rest on it are void, and so are the points of those; disks they belong to have to begin new generations. Shuts every writer out. Does nothing when
 * nothing stands in the way. A failover that only a lost slot told of is forgotten. Errors: MACHINE_NOT_FOUND, VAULT_VERSION_UNSUPPORTED, DAMAGED
 * (what is lost can't be stepped over), FENCED (somebody else is at work).
 */
export const repairMachine = async (
  vault: Vault,
  machineId: string,
  { seenTerm = 0, base, keeperKey, clock = systemClock }: RepairOptions = {},
): Promise<RepairReport> => {
  const { head, damage, machine } = await readMachine(vault, machineId);
  if (base === undefined && damage.every((finding) => finding === machine.damage)) return { lost: [], voidCuts: 0, head };
  const keyEpoch = await vault.keys.newestEpoch(machineId);
  // From here on nothing becomes durable any more, so that what is read now is all there is.
  const term = await takeTerm(vault, machineId, { keyEpoch, seenTerm, writerId: newId(), now: clock.now() });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const repair = new LogRepair(vault, machineId, base);
    await repair.run();
    const reached = await repair.publish(term, keyEpoch, clock.now(), keeperKey);
    if (reached !== undefined) return { lost: repair.lost, voidCuts: repair.voidCuts, head: reached };
  }
  throw new HoldfastError('FENCED', {
    thing: `log of machine ${machineId}`,
    why: 'others kept publishing catalogue versions while it was repaired',
    remedy: 'let writer and keeper of the machine rest, then repair again',
  });
};
