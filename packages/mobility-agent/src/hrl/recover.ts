import { isHoldfastError } from '@holdfast/errors';
import { type Cut, idText } from '@holdfast/protocol';
import { manifestIdentity } from '../manifest/identity.ts';
import type { ControlState, LogPosition } from './control-slot.ts';
import { damaged } from './damage.ts';
import type { HrlHead, HrlRecovery } from './hrl.ts';
import { headsAfter, withEpochsOf } from './lineage-check.ts';
import { type ReadCut, readCuts, segmentOf, verifyCut } from './log-reader.ts';
import type { SegmentPool } from './segment-pool.ts';
import type { Segment } from './tier-files.ts';

/** The log as it stands: what counts, the cuts in it, oldest first, and the segments they lie in. */
export interface RecoveredLog {
  readonly state: ControlState;
  readonly recovery: HrlRecovery;
  readonly cuts: readonly ReadCut[];
  readonly segments: readonly Segment[];
}

export interface RecoverOptions {
  /** The newest state of any control file. */
  readonly state: ControlState;
  /** False when a control file that `state` says is in memory was not found. */
  readonly hotFound: boolean;
  readonly bootId: string | undefined;
  readonly pool: SegmentPool;
}

/**
 * Finds the committed cuts. Between tail and end every byte must be right: on the same boot anything else is DAMAGED; after a restart,
 * where the unsynced part of the log is gone, the cuts from there on are lost, and said to be. A whole, matching cut behind the end was
 * being committed when the process died: it counts.
 */
export const recover = ({ state, hotFound, bootId, pool }: RecoverOptions): RecoveredLog => {
  const sameBoot = state.bootId !== undefined && state.bootId === bootId;
  if (sameBoot && !hotFound) throw damaged(state.hotPath ?? 'agent log (.hrl)', 0, 'the part of the log that was in memory is gone');
  const cuts: ReadCut[] = [];
  const losses: string[] = [];
  let end = state.end;
  try {
    for (const cut of committedCuts(pool, state)) {
      if (!sameBoot) verifyCut(cut);
      cuts.push(cut);
    }
  } catch (reason) {
    if (sameBoot || !isHoldfastError(reason, 'DAMAGED')) throw reason;
    losses.push(`cuts not yet durable in the vault were lost with the restart of the machine: ${reason.thing}: ${reason.why}`);
    end = cuts.at(-1)?.end;
  }
  if (!hotFound) losses.push(`what the log held in memory only (${state.hotPath}) was lost with the restart of the machine`);
  const known = { ...(losses.length === 0 ? state : withoutLost(state, cuts)), end };
  const adopted = end === undefined ? known : adopt(known, pool, end, cuts);
  const segments = cuts.length > 0 ? [...new Set(cuts.flatMap((cut) => cut.segments))] : end === undefined ? [] : [segmentOf(pool, end)];
  return {
    state: { ...adopted, tail: cuts[0]?.start ?? end, ...(sameBoot ? {} : { heads: ended(adopted.heads) }) },
    recovery: { boot: sameBoot ? 'same' : 'changed', losses },
    cuts,
    segments,
  };
};

/** The state as if the cuts that are gone had never been committed: nobody may refer to what they held. */
const withoutLost = (state: ControlState, cuts: readonly ReadCut[]): ControlState => {
  let known: ControlState = { ...state, heads: state.freedHeads, lastPointId: undefined, lastManifest: undefined };
  for (const { cut } of cuts) known = { ...known, ...lastOf(known, cut), heads: withEpochsOf(cut, known.heads) };
  return known;
};

const ended = (heads: ReadonlyMap<string, HrlHead>): Map<string, HrlHead> =>
  new Map([...heads].map(([diskId, head]) => [diskId, { ...head, ended: true }]));

/** The cuts between tail and end, which must be whole. */
function* committedCuts(pool: SegmentPool, { tail, end }: ControlState): Generator<ReadCut> {
  if (tail === undefined || end === undefined) return;
  segmentOf(pool, end);
  if (isSame(tail, end)) return;
  for (const cut of readCuts(pool, tail)) {
    if (cut.end.sequence > end.sequence) throw damaged(segmentOf(pool, end).file.path, end.offset, 'no cut ends where the log ends');
    yield cut;
    if (isSame(cut.end, end)) return;
  }
}

const isSame = (a: LogPosition, b: LogPosition): boolean => a.salt === b.salt && a.offset === b.offset && a.sequence === b.sequence;

/** Takes whole cuts behind the end into `cuts`; whatever else stands there was never committed. */
const adopt = (state: ControlState, pool: SegmentPool, end: LogPosition, cuts: ReadCut[]): ControlState => {
  let adopted = state;
  try {
    for (const cut of readCuts(pool, end)) {
      verifyCut(cut);
      adopted = { ...stateAfter(adopted, cut.cut), end: cut.end };
      cuts.push(cut);
    }
  } catch (reason) {
    if (!isHoldfastError(reason, 'DAMAGED') && !isHoldfastError(reason, 'EPOCH_CONFLICT')) throw reason;
  }
  return adopted;
};

/** What the control state says of lineage after a cut. EPOCH_CONFLICT when the cut does not follow. */
export const stateAfter = (state: ControlState, cut: Cut): ControlState => ({
  ...state,
  ...lastOf(state, cut),
  heads: headsAfter(cut, state.heads),
});

const lastOf = (state: ControlState, { point, manifest }: Cut): Pick<ControlState, 'lastPointId' | 'lastManifest'> => ({
  lastPointId: point === undefined ? state.lastPointId : idText(point.id),
  lastManifest: manifest === undefined ? state.lastManifest : { id: idText(manifest.id), identity: manifestIdentity(manifest) },
});
