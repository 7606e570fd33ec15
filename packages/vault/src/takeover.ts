import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { idBytes, isId, newId, type SegmentRecordSchema, SegmentRecordsSchema } from '@holdfast/protocol';
import { newestCatalogue } from './catalogue.ts';
import type { CheckpointSlot } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import type { AssembledCut } from './cut-assembler.ts';
import { damaged } from './damage.ts';
import type { Anchor, FailedOver } from './head.ts';
import { HistoryBuilder } from './history.ts';
import { type BaseVisitor, type LogBase, readBase } from './log-base.ts';
import { findGap } from './log-gap.ts';
import type { LogState } from './log-state.ts';
import { findMachine } from './machine.ts';
import { OBJECT_KIND } from './object-header.ts';
import { slotName } from './object-names.ts';
import { readSlots } from './read-log.ts';
import { sealObject } from './sealed-object.ts';
import { parseSlot, readSlot, type Slot } from './slot.ts';
import { takeTerm } from './terms.ts';
import type { Vault } from './vault.ts';
import type { VaultAccess } from './vault-access.ts';

/** What a log says at the moment a writer took it over. */
export interface Takeover {
  readonly base: LogBase;
  readonly term: number;
  readonly keyEpoch: number;
  /** Behind the writer's own fence. */
  readonly state: LogState;
}

export interface TakeoverOptions {
  readonly seenTerm: number;
  readonly clock: Clock;
  /** Called with every cut that counts, in order; `name` is the object that tells it. */
  readonly onCut: BaseVisitor['onCut'];
  readonly onGenerations: BaseVisitor['onGenerations'];
  /** Called with every slot that counts, or that cuts of the catalogue refer to. */
  readonly onSlot?: (sequence: number, tag: string) => void;
  /** Called with every slot that counts behind those that the catalogue covers, the writer's own fence too. */
  readonly onTail?: (slot: CheckpointSlot, cuts: readonly AssembledCut[], nextCut: number, isWhole: boolean) => void;
  /** Called when the head is reached, before a term is taken, and again when it moved; may refuse by throwing. */
  readonly onHead: (state: LogState, covered: number) => void;
  /** Written in the fence's segment, behind it. */
  readonly records: readonly MessageInitShape<typeof SegmentRecordSchema>[];
}

/**
 * Reads the log to its head, takes a new term and writes a fence into the first free slot: from then on slots of older writers are void. Slots of older
 * writers that land before the fence are taken in. Errors: MACHINE_NOT_FOUND, FENCED (somebody took this or a higher term meanwhile), DAMAGED.
 */
export const takeOver = async (
  vault: VaultAccess,
  machineId: string,
  { seenTerm, clock, onCut, onGenerations, onSlot, onTail, onHead, records }: TakeoverOptions,
): Promise<Takeover> => {
  await findMachine(vault, machineId);
  const keyEpoch = await vault.keys.newestEpoch(machineId);
  if (keyEpoch === 0) throw damaged(`machine ${machineId}`, 'it is registered and has no data key');
  const base = await readBase(vault, machineId, { onCut, onGenerations, ...(onSlot !== undefined && { onSlot }) });
  if (base.damage[0] !== undefined) throw damaged(base.damage[0].object, base.damage[0].why);
  const { state, assembler } = base;
  if (state.head.sequence >= 0) onSlot?.(state.head.sequence, state.head.tag);
  let { next } = base;
  let highest = state.head.term;
  const take = (slot: Slot): void => {
    next = slot.sequence + 1;
    highest = Math.max(highest, Number(slot.records.term));
    if (!state.accepts(slot)) return;
    advance(slot);
  };
  const advance = (slot: Slot): void => {
    const cuts = assembler.take(slot);
    for (const cut of cuts) onCut(cut, slot.name, false);
    onSlot?.(slot.sequence, slot.tag);
    state.advance(slot);
    onTail?.(slot, cuts, assembler.next, assembler.isWhole);
  };
  for await (const slot of readSlots(vault, machineId, next)) take(slot);
  const gap = await findGap(vault, machineId, next);
  if (gap !== undefined) throw gap;
  // Refused here, nothing was touched: no term taken that would fence out a writer which works.
  onHead(state, base.next);

  const writerId = newId();
  const term = await takeTerm(vault, machineId, { keyEpoch, seenTerm, writerId, now: clock.now() });
  const key = await vault.keys.keyOf(machineId, keyEpoch);
  const fence = { record: { case: 'fence', value: { term: BigInt(term), writerId: idBytes(writerId) } } } as const;
  for (;;) {
    if (highest >= term) throw overtaken(machineId, term, highest);
    const message = create(SegmentRecordsSchema, {
      term: BigInt(term),
      sealedUnixMillis: BigInt(clock.now()),
      records: [fence, ...records],
    });
    const { bytes, tag } = sealObject(
      key,
      { kind: OBJECT_KIND.segment, keyEpoch, vaultId: vault.id, machineId, number: next, previousTag: state.head.tag },
      { records: toBinary(SegmentRecordsSchema, message), index: new Uint8Array(0), frames: [] },
    );
    const other = await createSlot(vault, machineId, next, bytes, tag);
    if (other !== undefined) {
      take(other);
      onHead(state, base.next);
      continue;
    }
    advance(await parseSlot(vault, machineId, next, bytes));
    await refuseReleased(vault, machineId, base, next, term);
    return { base, term, keyEpoch, state };
  }
};

/**
 * Who was asleep for longer than a keeper waits may have found slots missing that were released, and written a fence where nobody reads any more. A
 * catalogue tells: it covers the slot then. Errors: FENCED.
 */
const refuseReleased = async (vault: VaultAccess, machineId: string, base: LogBase, sequence: number, term: number): Promise<void> => {
  const { newest } = await newestCatalogue(vault, machineId);
  if (newest === undefined || newest.version <= base.highest || Number(newest.catalogue.covered) <= sequence) return;
  // Its own fence was read and covered by somebody meanwhile: that is as it should be.
  if (Number(newest.catalogue.fenceTerm) === term) return;
  throw new HoldfastError('FENCED', {
    thing: `log of machine ${machineId}`,
    why: `slot ${sequence} was released while the writer of term ${term} came to it`,
    remedy: 'open the writer again',
  });
};

/**
 * Creates a slot; when its number is taken, resolves to what is there, `undefined` when that is this very object (the answer to an earlier create
 * was lost). Errors: those of the store; what is there may be DAMAGED.
 */
export const createSlot = async (
  vault: VaultAccess,
  machineId: string,
  sequence: number,
  bytes: Uint8Array,
  tag: string,
): Promise<Slot | undefined> => {
  try {
    await vault.store.create(slotName(machineId, sequence), bytes);
    return undefined;
  } catch (reason) {
    if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
  }
  const slot = await readSlot(vault, machineId, sequence);
  if (slot === undefined) throw damaged(slotName(machineId, sequence), 'it exists and cannot be found');
  return slot.tag === tag ? undefined : slot;
};

export const overtaken = (machineId: string, term: number, higher: number): HoldfastError =>
  new HoldfastError('FENCED', {
    thing: `log of machine ${machineId}`,
    why:
      higher === term
        ? `another writer has term ${term} too: this process runs twice, as copies of a machine do`
        : `a writer of term ${higher} took it over from term ${term}`,
    remedy: 'let the newer writer work and end this one',
  });

export const refuseFailedOver = (machineId: string, { operationId, pointId }: FailedOver): HoldfastError =>
  new HoldfastError('FENCED', {
    thing: `log of machine ${machineId}`,
    why: `the machine was failed over to point ${pointId} by operation ${operationId}`,
    remedy: 'cancel the failover or reprotect the machine; until then keep tracking changes and send nothing',
  });

export interface FailoverOptions {
  /** Random id of the operation, 32 hexadecimal digits. */
  readonly operationId: string;
  /** The highest term the caller has ever seen. */
  readonly seenTerm?: number;
  readonly clock?: Clock;
}

const refuseReplaced = (machineId: string, { operationId, attempt }: FailedOver): HoldfastError =>
  new HoldfastError('FENCED', {
    thing: `log of machine ${machineId}`,
    why: `attempt ${attempt} of operation ${operationId} took the place of this one`,
    remedy: 'remove what this attempt made; the later one goes on',
  });

/**
 * Takes a term and writes that the machine is failed over to a point: from then on nobody appends. Resolves to the record's slot. Errors:
 * POINT_NOT_FOUND, FENCED (another operation's failover is in force, or a later attempt of this one), DAMAGED.
 */
export const recordFailover = async (
  vault: Vault,
  machineId: string,
  { operationId, pointId, attempt = 0, ...options }: FailoverOptions & Omit<FailedOver, 'operationId'>,
): Promise<Anchor> => {
  const value = { operationId: idOf(operationId), pointId: idOf(pointId), attempt: BigInt(attempt) };
  const builder = new HistoryBuilder(machineId);
  return record(vault, machineId, operationId, { record: { case: 'failover', value } }, options, {
    onGenerations: (summaries) => builder.load(summaries),
    onCut: (cut, name, isLoaded) => (isLoaded ? builder.tell(cut) : builder.add(cut, name)),
    onHead: (failedOver) => {
      // Whoever looked before that one wrote would bring back the attempt it replaced.
      if ((failedOver?.attempt ?? 0) > attempt) throw refuseReplaced(machineId, failedOver!);
      if (!builder.points().some(({ id }) => id === pointId))
        throw new HoldfastError('POINT_NOT_FOUND', {
          thing: `point ${pointId}`,
          why: `machine ${machineId} has no such recovery point`,
          remedy: "choose one of the machine's recovery points",
        });
    },
  });
};

/**
 * Takes a term and ends the failed-over state that the operation began: from then on a writer may append again. Does no harm when the state was ended
 * before. Resolves to the record's slot. Errors: FENCED (another operation's failover is in force), DAMAGED.
 */
export const recordRelease = async (vault: Vault, machineId: string, { operationId, ...options }: FailoverOptions): Promise<Anchor> =>
  record(vault, machineId, operationId, { record: { case: 'release', value: { operationId: idOf(operationId) } } }, options);

const record = async (
  vault: Vault,
  machineId: string,
  operationId: string,
  content: MessageInitShape<typeof SegmentRecordSchema>,
  { seenTerm = 0, clock = systemClock }: Omit<FailoverOptions, 'operationId'>,
  {
    onCut,
    onGenerations,
    onHead,
  }: Pick<TakeoverOptions, 'onCut' | 'onGenerations'> & { onHead: (failedOver: FailedOver | undefined) => void } = {
    onCut: () => {},
    onGenerations: () => {},
    onHead: () => {},
  },
): Promise<Anchor> => {
  const { state } = await takeOver(vault, machineId, {
    seenTerm,
    clock,
    onCut,
    onGenerations,
    onHead: ({ failedOver }) => {
      if (failedOver !== undefined && failedOver.operationId !== operationId) throw refuseFailedOver(machineId, failedOver);
      onHead(failedOver);
    },
    records: [content],
  });
  return state.head;
};

const idOf = (id: string): Uint8Array<ArrayBuffer> => {
  if (isId(id)) return idBytes(id);
  throw new HoldfastError('SETTING_INVALID', {
    thing: JSON.stringify(id),
    why: 'an id is 32 hexadecimal digits',
    remedy: 'correct the id',
  });
};
