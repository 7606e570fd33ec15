import { HoldfastError } from '@holdfast/errors';
import { type Cut, type Epoch, type EpochRef, idText } from '@holdfast/protocol';
import type { DiskStateRef, HrlHead } from './hrl.ts';

const conflict = (thing: string, why: string): HoldfastError =>
  new HoldfastError('EPOCH_CONFLICT', { thing, why, remedy: 'report this as a bug; nothing was committed' });

/**
 * The heads after a cut. Refuses a cut that breaks the lineage: within a generation numbers go up by one, a generation starts at 0 and is
 * new, a closed generation does not open again, and a point names what is committed and closed.
 */
export const headsAfter = (cut: Cut, heads: ReadonlyMap<string, HrlHead>): Map<string, HrlHead> => {
  const started = new Map(cut.generations.map((generation) => [idText(generation.id), idText(generation.diskId)]));
  const seen = new Set<string>();
  for (const epoch of cut.epochs) {
    const diskId = idText(epoch.diskId);
    const thing = `epoch ${epoch.number} of disk ${diskId}`;
    if (seen.has(diskId)) throw conflict(thing, 'the cut holds two epochs of the disk');
    seen.add(diskId);
    if (idText(epoch.cutId) !== idText(cut.id)) throw conflict(thing, 'it names another cut');
    const isFirst = started.get(idText(epoch.generationId)) === diskId;
    checkFollows(epoch, heads.get(diskId), isFirst, thing);
    started.delete(idText(epoch.generationId));
  }
  for (const [generationId] of started) throw conflict(`generation ${generationId}`, 'the cut announces it but holds no epoch of it');
  const after = withEpochsOf(cut, heads);
  checkPoint(cut, after);
  return after;
};

/** The heads after a cut that was checked before. */
export const withEpochsOf = (cut: Cut, heads: ReadonlyMap<string, HrlHead>): Map<string, HrlHead> =>
  new Map([...heads, ...cut.epochs.map((epoch) => [idText(epoch.diskId), headOf(epoch, cut, heads)] as const)]);

const checkFollows = (epoch: Epoch, head: HrlHead | undefined, isFirst: boolean, thing: string): void => {
  const generationId = idText(epoch.generationId);
  if (isFirst) {
    if (head?.generationId === generationId) throw conflict(thing, `generation ${generationId} is announced again`);
    if (epoch.number !== 0n) throw conflict(thing, 'the first epoch of a generation must have number 0');
    return;
  }
  if (head?.generationId !== generationId) throw conflict(thing, `generation ${generationId} was never announced or is over`);
  if (head.ended) throw conflict(thing, 'its generation ended when the machine was restarted');
  if (epoch.number <= BigInt(head.number)) throw conflict(thing, `the number was used already; the next is ${head.number + 1}`);
  if (epoch.number > BigInt(head.number + 1)) throw conflict(thing, `epoch ${head.number + 1} is missing before it`);
  if (epoch.open && !head.open) throw conflict(thing, 'its generation has converged and cannot be open again');
};

const headOf = (epoch: Epoch, cut: Cut, heads: ReadonlyMap<string, HrlHead>): HrlHead => ({
  diskId: idText(epoch.diskId),
  generationId: idText(epoch.generationId),
  number: Number(epoch.number),
  open: epoch.open,
  coveredThrough: Number(epoch.coveredThrough),
  state: stateOf(epoch, cut, heads),
  diskSize: Number(epoch.diskSize),
  ended: false,
});

const stateOf = (epoch: Epoch, { generations }: Cut, heads: ReadonlyMap<string, HrlHead>): DiskStateRef | undefined => {
  if (!epoch.open) return refOf(epoch);
  const started = generations.find(({ id }) => idText(id) === idText(epoch.generationId));
  if (started === undefined) return heads.get(idText(epoch.diskId))?.state;
  return started.parent === undefined ? undefined : refOf(started.parent);
};

const refOf = ({ generationId, number }: Epoch | EpochRef): DiskStateRef => ({
  generationId: idText(generationId),
  number: Number(number),
});

const checkPoint = ({ point, id }: Cut, heads: ReadonlyMap<string, HrlHead>): void => {
  if (point === undefined) return;
  const thing = `point ${idText(point.id)}`;
  if (idText(point.cutId) !== idText(id)) throw conflict(thing, 'it names another cut');
  for (const { diskId, epoch } of point.members) {
    const head = heads.get(idText(diskId));
    const matches = epoch !== undefined && head?.generationId === idText(epoch.generationId) && BigInt(head.number) === epoch.number;
    if (!matches) throw conflict(thing, `its member disk ${idText(diskId)} is not at the newest committed epoch`);
    if (head.open) throw conflict(thing, `its member disk ${idText(diskId)} has not converged`);
  }
};
