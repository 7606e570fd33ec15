import { FRAME_EXTENT_LENGTH_LIMIT } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import {
  type Cut,
  type Epoch,
  type EpochRef,
  type Generation,
  type GenerationSummary,
  ID_SIZE,
  idText,
  type Point,
  type PointMember,
} from '@holdfast/protocol';
import { EpochList, type ForgottenEpochs } from './epoch-list.ts';
import type { DiskHead } from './head.ts';

/*
 * The rules that the cuts of a machine keep (docs/format.md, "Lineage"): the writer refuses what breaks them, the reader calls it damage.
 */

interface GenerationState {
  readonly diskId: string;
  readonly epochs: EpochList;
  /** Of the epochs that are not remembered one by one those that are still told, and can be gone back to. */
  readonly told: Set<bigint>;
  /** Number of the first epoch that is not open. */
  closedAt: number | undefined;
}

const DIGEST_SIZE = 32;

/** The lineage of a machine's disks, as far as it is needed to judge the next cut. */
export class Lineage {
  readonly #machineId: string;
  readonly #generations = new Map<string, GenerationState>();
  /** The generations of each disk in the order they began; the last one is current. */
  readonly #disks = new Map<string, string[]>();
  readonly #manifests = new Set<string>();
  /** Ids of points, as short as they can be kept for years. */
  readonly #points = new Set<string>();

  constructor(machineId: string) {
    this.#machineId = machineId;
  }

  /** The newest epoch of each disk. */
  heads(): Map<string, DiskHead> {
    const heads = new Map<string, DiskHead>();
    for (const diskId of this.#disks.keys()) {
      const head = this.headOf(diskId);
      if (head !== undefined) heads.set(diskId, head);
    }
    return heads;
  }

  /** Epochs of each generation, by its id. */
  lengths(): Map<string, number> {
    return new Map([...this.#generations].map(([id, { epochs }]) => [id, epochs.length]));
  }

  headOf(diskId: string): DiskHead | undefined {
    const generationId = this.#disks.get(diskId)?.at(-1);
    if (generationId === undefined) return undefined;
    const { closedAt, epochs } = this.#generations.get(generationId)!;
    return { generationId, number: epochs.length - 1, open: closedAt === undefined, ...epochs.last() };
  }

  /** True for an epoch that is there and makes a state of its disk. */
  hasState({ diskId, epoch }: { readonly diskId: Uint8Array; readonly epoch?: EpochRef | undefined }): boolean {
    const generation = epoch === undefined ? undefined : this.#generations.get(idText(epoch.generationId));
    if (epoch === undefined || generation === undefined || generation.diskId !== idText(diskId)) return false;
    if (!isTold(generation, epoch.number)) return false;
    return epoch.number < generation.epochs.length && generation.closedAt !== undefined && epoch.number >= generation.closedAt;
  }

  /**
   * Judges a cut that would follow: `new`, or `known` when all its epochs are there with the same content. Errors: EPOCH_CONFLICT,
   * PROTOCOL_VIOLATION.
   */
  judge(cut: Cut): 'new' | 'known' {
    checkShape(cut, this.#machineId);
    const known = cut.epochs.filter((epoch) => this.#isKnown(epoch));
    const isKnownPoint = cut.point !== undefined && this.#points.has(keyOf(cut.point));
    if (known.length === cut.epochs.length) {
      // Of what was thinned nothing but its being there is known.
      if (cut.epochs.some((epoch) => !isTold(this.#generations.get(idText(epoch.generationId))!, epoch.number))) return 'known';
      if (cut.point !== undefined && !isKnownPoint) throw conflict(known[0]!, 'its cut came without this point before');
      return 'known';
    }
    if (known.length > 0) throw conflict(known[0]!, 'it came with a cut whose other epochs are new');
    if (isKnownPoint) throw violation(`point ${idText(cut.point!.id)}`, 'a cut before has a point of this id');
    const introduced = new Map(cut.generations.map((generation) => [idText(generation.id), generation]));
    for (const generation of cut.generations) this.#checkGeneration(cut, generation);
    for (const epoch of cut.epochs) this.#checkEpoch(epoch, introduced.get(idText(epoch.generationId)));
    return 'new';
  }

  /** Begins with what is known of generations of which cuts were thinned. */
  load(summaries: readonly GenerationSummary[]): void {
    for (const { generation, epochs, closedAt, diskSize, coveredThrough } of summaries) {
      const { id, diskId } = generation!;
      this.#begin(idText(id), idText(diskId), {
        length: Number(epochs),
        diskSize: Number(diskSize),
        coveredThrough: Number(coveredThrough),
      }).closedAt = closedAt === undefined ? undefined : Number(closedAt);
    }
  }

  /** True for an epoch that is there and was thinned: its state cannot be had any more. */
  isForgotten({ generationId, number }: EpochRef): boolean {
    const generation = this.#generations.get(idText(generationId));
    return generation !== undefined && !isTold(generation, number);
  }

  /** Takes a cut in of which all epochs are among those loaded. */
  tell(cut: Cut): void {
    for (const { generationId, number } of cut.epochs) this.#generations.get(idText(generationId))?.told.add(number);
    if (cut.manifest !== undefined) this.#manifests.add(idText(cut.manifest.id));
    if (cut.point !== undefined) this.#points.add(keyOf(cut.point));
  }

  /** Takes a cut in that was judged new. */
  add(cut: Cut): void {
    for (const { id, diskId } of cut.generations) this.#begin(idText(id), idText(diskId));
    for (const epoch of cut.epochs) {
      const generation = this.#generations.get(idText(epoch.generationId))!;
      generation.epochs.push(epoch);
      if (!epoch.open) generation.closedAt ??= Number(epoch.number);
    }
    if (cut.manifest !== undefined) this.#manifests.add(idText(cut.manifest.id));
    if (cut.point !== undefined) this.#points.add(keyOf(cut.point));
  }

  #begin(id: string, diskId: string, forgotten?: ForgottenEpochs): GenerationState {
    const generation: GenerationState = { diskId, epochs: new EpochList(forgotten), told: new Set(), closedAt: undefined };
    this.#generations.set(id, generation);
    const disk = this.#disks.get(diskId);
    if (disk === undefined) this.#disks.set(diskId, [id]);
    else disk.push(id);
    return generation;
  }

  /** What is known of a generation, for those who thin. */
  summaryOf(generationId: string): Pick<GenerationSummary, 'epochs' | 'closedAt' | 'diskSize' | 'coveredThrough'> | undefined {
    const generation = this.#generations.get(generationId);
    if (generation === undefined) return undefined;
    const { diskSize, coveredThrough } = generation.epochs.last();
    return {
      epochs: BigInt(generation.epochs.length),
      ...(generation.closedAt !== undefined && { closedAt: BigInt(generation.closedAt) }),
      diskSize: BigInt(diskSize),
      coveredThrough: BigInt(coveredThrough),
    };
  }

  /** Takes the newest cut back out. */
  remove(cut: Cut): void {
    if (cut.manifest !== undefined) this.#manifests.delete(idText(cut.manifest.id));
    if (cut.point !== undefined) this.#points.delete(keyOf(cut.point));
    for (const epoch of cut.epochs) {
      const generation = this.#generations.get(idText(epoch.generationId))!;
      generation.epochs.pop();
      if (generation.closedAt === Number(epoch.number)) generation.closedAt = undefined;
    }
    for (const { id, diskId } of cut.generations) {
      this.#generations.delete(idText(id));
      const disk = this.#disks.get(idText(diskId))!;
      disk.pop();
      if (disk.length === 0) this.#disks.delete(idText(diskId));
    }
  }

  /** Checks the point of a cut against the lineage that already has the cut in it. Errors: PROTOCOL_VIOLATION. */
  checkPoint({ id: cutId, point, epochs }: Cut): void {
    if (point === undefined) return;
    const thing = `point ${idText(point.id)}`;
    if (!isId(point.id) || idText(point.cutId) !== idText(cutId)) throw violation(thing, 'its id or the id of its cut is wrong');
    if (point.members.length === 0) throw violation(thing, 'it has no disk');
    for (const member of point.members)
      if (!this.hasState(member)) throw violation(thing, `disk ${idText(member.diskId)} has no state at the epoch it names`);
    if (new Set(point.members.map(({ diskId }) => idText(diskId))).size !== point.members.length)
      throw violation(thing, 'it names a disk twice');
    if (point.groupId.length === 0) this.#checkOwnPoint(point, epochs, thing);
    this.#checkManifest(point, thing);
  }

  /** The point of a machine alone is its cut, whole, and tells of every disk: none is left out in silence. */
  #checkOwnPoint(point: Point, epochs: readonly Epoch[], thing: string): void {
    const isOfCut = ({ diskId, epoch: ref }: PointMember): boolean =>
      epochs.some(
        (epoch) =>
          idText(epoch.diskId) === idText(diskId) &&
          idText(epoch.generationId) === idText(ref!.generationId) &&
          epoch.number === ref!.number,
      );
    if (point.members.length !== epochs.length || !point.members.every(isOfCut))
      throw violation(thing, 'its disks are not those of its cut');
    const told = new Set([...point.members.map(({ diskId }) => diskId), ...point.disksNotYetCopied, ...point.disksExcluded].map(idText));
    const silent = [...this.#disks.keys()].find((diskId) => !told.has(diskId));
    if (silent !== undefined) throw violation(thing, `it says nothing of disk ${silent}, which the log knows`);
  }

  #checkManifest(point: Point, thing: string): void {
    if (point.manifestId.length > 0 && !this.#manifests.has(idText(point.manifestId))) throw violation(thing, 'its manifest is not known');
  }

  #isKnown(epoch: Epoch): boolean {
    const generation = this.#generations.get(idText(epoch.generationId));
    if (generation === undefined || epoch.number >= generation.epochs.length) return false;
    if (generation.diskId !== idText(epoch.diskId)) throw conflict(epoch, 'its generation belongs to another disk');
    if (!generation.epochs.holds(epoch))
      throw conflict(epoch, 'the log holds other content for it: two machines send as one, or one was set back');
    return true;
  }

  #checkGeneration(cut: Cut, { id, diskId, parent }: Generation): void {
    const thing = `generation ${idText(id)}`;
    if (!isId(id) || !isId(diskId)) throw violation(thing, 'its id or the id of its disk is no id');
    if (this.#generations.has(idText(id))) throw violation(thing, 'it began before');
    const starts = cut.epochs.filter((epoch) => idText(epoch.generationId) === idText(id));
    if (starts.length !== 1 || starts[0]!.number !== 0n) throw violation(thing, 'it comes without its epoch 0');
    if (parent === undefined) return;
    const base = this.#generations.get(idText(parent.generationId));
    if (base === undefined || parent.number >= base.epochs.length) throw violation(thing, 'its parent is not in the log');
    if (base.diskId !== idText(diskId)) throw violation(thing, 'its parent is of another disk');
  }

  #checkEpoch(epoch: Epoch, introduced: Generation | undefined): void {
    if (introduced !== undefined) {
      if (idText(introduced.diskId) !== idText(epoch.diskId)) throw violation(nameOf(epoch), 'its generation is of another disk');
      return;
    }
    const generation = this.#generations.get(idText(epoch.generationId));
    if (generation === undefined) throw violation(nameOf(epoch), 'its generation is not known');
    if (generation.diskId !== idText(epoch.diskId)) throw violation(nameOf(epoch), 'its generation is of another disk');
    if (this.#disks.get(generation.diskId)!.at(-1) !== idText(epoch.generationId))
      throw violation(nameOf(epoch), 'its generation has ended');
    if (Number(epoch.number) !== generation.epochs.length)
      throw violation(nameOf(epoch), `epoch ${generation.epochs.length} is wanted next`);
    if (epoch.open && generation.closedAt !== undefined) throw violation(nameOf(epoch), 'it is a piece, and its generation is past those');
  }
}

/** True for an epoch whose state the vault still has. */
const isTold = ({ epochs, told }: GenerationState, number: bigint): boolean => !epochs.isForgotten(number) || told.has(number);

/** What holds of any cut of the machine, whatever came before it. Errors: PROTOCOL_VIOLATION. */
export const checkShape = (cut: Cut, machineId: string): void => {
  const thing = `cut ${idText(cut.id)}`;
  if (!isId(cut.id)) throw violation(thing, 'its id is no id');
  if (idText(cut.machineId) !== machineId) throw violation(thing, `it is of machine ${idText(cut.machineId)}`);
  if (cut.epochs.length === 0) throw violation(thing, 'it has no epoch');
  if (new Set(cut.epochs.map(({ diskId }) => idText(diskId))).size !== cut.epochs.length) throw violation(thing, 'it has a disk twice');
  if (new Set(cut.generations.map(({ id }) => idText(id))).size !== cut.generations.length)
    throw violation(thing, 'it introduces a generation twice');
  if (cut.manifest !== undefined && !isId(cut.manifest.id)) throw violation(thing, 'the id of its manifest is no id');
  for (const epoch of cut.epochs) checkEpochShape(cut, epoch);
};

/** What may be told of a generation of which cuts were thinned. */
export const isSummary = ({ generation, epochs, closedAt = 0n, firstCut, diskSize, coveredThrough }: GenerationSummary): boolean =>
  generation !== undefined &&
  isId(generation.id) &&
  isId(generation.diskId) &&
  closedAt <= epochs &&
  diskSize <= DISK_LIMIT &&
  [epochs, firstCut, coveredThrough].every((number) => number <= NUMBER_LIMIT);

/** Bytes a disk may have, 1 PiB: who goes through all of it, if only to find nothing, comes to an end. */
const DISK_LIMIT = 2n ** 50n;

const NUMBER_LIMIT = BigInt(Number.MAX_SAFE_INTEGER - FRAME_EXTENT_LENGTH_LIMIT);

const checkEpochShape = (cut: Cut, epoch: Epoch): void => {
  if (!isId(epoch.diskId) || !isId(epoch.generationId)) throw violation(nameOf(epoch), 'an id of it is no id');
  if (idText(epoch.cutId) !== idText(cut.id)) throw violation(nameOf(epoch), 'it is of another cut');
  if (epoch.contentDigest.length !== DIGEST_SIZE) throw violation(nameOf(epoch), 'its content digest is no digest');
  if (epoch.diskSize === 0n || epoch.diskSize > DISK_LIMIT) throw violation(nameOf(epoch), `a disk of ${epoch.diskSize} bytes cannot be`);
  if ([epoch.number, epoch.frameCount, epoch.coveredThrough].some((number) => number > NUMBER_LIMIT))
    throw violation(nameOf(epoch), 'a number of it is impossible');
};

/** A character for each byte. */
const keyOf = ({ id }: Point): string => Buffer.from(id).toString('latin1');

const isId = (id: Uint8Array): boolean => id.length === ID_SIZE;

const nameOf = ({ diskId, generationId, number }: Epoch): string =>
  `epoch ${number} of generation ${idText(generationId)} of disk ${idText(diskId)}`;

export const violation = (thing: string, why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', {
    thing,
    why,
    remedy: 'this is a defect of the sender; start a new generation by resynchronization',
  });

const conflict = (epoch: Epoch, why: string): HoldfastError =>
  new HoldfastError('EPOCH_CONFLICT', { thing: nameOf(epoch), why, remedy: 'find out which sender is right, then resynchronize the disk' });
