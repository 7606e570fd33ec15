import type { MessageInitShape } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { type ChoosePoint, idText, type PointsQuestion, type RecoveryPointSchema } from '@holdfast/protocol';
import type { HoldSummary, MachineHistory, RecoveryPoint } from '@holdfast/vault';
import type { ProofMessage } from './describe-proof.ts';
import { signalOf, type Writing } from './write-signal.ts';

const MOST = 500;

const none = (why: string): HoldfastError =>
  new HoldfastError('POINT_NOT_FOUND', { thing: 'recovery point', why, remedy: 'see `holdfast point list` for what there is' });

const day = (time: number): string => new Date(time).toISOString();

/** The point that is meant. Errors: POINT_NOT_FOUND, REQUEST_INVALID when several are. */
export const choosePoint = ({ points }: Pick<MachineHistory, 'points'>, { choice }: ChoosePoint): RecoveryPoint => {
  const [oldest, newest] = [points[0], points.at(-1)];
  if (oldest === undefined || newest === undefined) throw none('the machine has none in the vault yet');
  switch (choice.case) {
    case 'newest': {
      const found = points.findLast(({ point }) => point.kind >= choice.value);
      if (found === undefined) throw none('the machine has none of that kind');
      return found;
    }
    case 'atUnixMillis': {
      const found = points.findLast(({ time }) => time <= Number(choice.value));
      if (found === undefined) throw none(`the oldest there still is, is of ${day(oldest.time)}`);
      return found;
    }
    case 'idPrefix': {
      const meant = points.filter(({ id }) => id.startsWith(choice.value));
      if (meant.length > 1)
        throw new HoldfastError('REQUEST_INVALID', {
          thing: `point ${choice.value}`,
          why: `${meant.length} begin like that`,
          remedy: 'give more of the id',
        });
      if (meant[0] === undefined)
        throw none(
          `none is called ${choice.value}: it never was, or it was thinned; there are ${points.length}, of ${day(oldest.time)} to ${day(newest.time)}`,
        );
      return meant[0];
    }
    default:
      throw none('it was not said which');
  }
};

/** A page of points, newest first. */
export const pageOfPoints = (
  { points }: Pick<MachineHistory, 'points'>,
  { limit, afterPointId, fromUnixMillis, toUnixMillis }: PointsQuestion,
): { readonly points: readonly RecoveryPoint[]; readonly more: boolean; readonly total: number } => {
  const [from, to] = [Number(fromUnixMillis), Number(toUnixMillis)];
  const within = points.filter(({ time }) => time >= from && (to === 0 || time <= to));
  const after = afterPointId.length === 0 ? within.length : within.findIndex(({ id }) => id === idText(afterPointId));
  if (after < 0) throw none('the one that the page goes on after was thinned meanwhile: begin anew');
  const size = Math.min(Math.max(1, limit), MOST);
  const page = within.slice(Math.max(0, after - size), after).toReversed();
  return { points: page, more: after > size, total: within.length };
};

/** What is known of the points of a machine beside what they are. */
export interface PointSurroundings {
  readonly holds: readonly HoldSummary[];
  /** Newest first. */
  readonly proofs: readonly ProofMessage[];
  readonly writings: readonly Writing[];
}

/** A point as people see it. */
export const describePoint = (
  { generations }: Pick<MachineHistory, 'generations'>,
  { id, time, point, manifest }: RecoveryPoint,
  { holds, proofs, writings }: PointSurroundings,
): MessageInitShape<typeof RecoveryPointSchema> => {
  const proof = proofs.find(({ pointId }) => pointId === id);
  const nameOf = (disk: Uint8Array): string => manifest?.disks.find((one) => idText(one.id) === idText(disk))?.name || idText(disk);
  const changed = point.members.map(({ epoch }) => {
    const entry = generations.get(idText(epoch!.generationId))?.epochs.findLast((one) => one.epoch.number === epoch!.number);
    return entry === undefined ? 0n : entry.epoch.dataBytes + entry.epoch.zeroBytes;
  });
  return {
    id,
    unixMillis: BigInt(time),
    kind: point.kind,
    changedBytes: changed.reduce((sum, bytes) => sum + bytes, 0n),
    unreadableBytes: point.unreadableBytes,
    disks: point.members.map(({ diskId }) => nameOf(diskId)),
    disksNotYetCopied: point.disksNotYetCopied.map(nameOf),
    disksExcluded: point.disksExcluded.map(nameOf),
    held: holds.some(({ points }) => points.includes(id)),
    ...(proof !== undefined && { proof }),
    ...signalOf(writings, { id, time }),
  };
};
