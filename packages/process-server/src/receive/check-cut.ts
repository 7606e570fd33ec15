import { createContentDigest } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, type CutBeginEpoch, type Epoch, ID_SIZE, idText } from '@holdfast/protocol';
import type { EpochProgress } from '../journal/journal.ts';
import type { AcceptedEpochs } from './accepted-epochs.ts';
import { violation } from './check-frames.ts';

/** Disks a machine may have in one cut. */
const MOST_EPOCHS = 1024;
/** Bytes of a content digest. */
const DIGEST_SIZE = 32;
const NO_PROGRESS: EpochProgress = { frames: 0, dataBytes: 0, zeroBytes: 0, unreadableBytes: 0, end: 0 };
const NO_CONTENT = createContentDigest().value();

/** What is told of an epoch both when it begins and when it is whole. */
type Begun = Pick<CutBeginEpoch, 'diskId' | 'generationId' | 'number'>;

const nameOf = ({ diskId, number }: Begun): string => `epoch ${number} of disk ${idText(diskId)}`;

/** Checks the shape of a cut's beginning. Throws PROTOCOL_VIOLATION. */
export const checkBegin = ({ cutId, epochs }: Pick<CutBegin, 'cutId'> & { readonly epochs: readonly Begun[] }): void => {
  if (cutId.length !== ID_SIZE) throw violation('a cut', 'its id is no id');
  const thing = `cut ${idText(cutId)}`;
  if (epochs.length === 0 || epochs.length > MOST_EPOCHS) throw violation(thing, `it has ${epochs.length} epochs`);
  for (const epoch of epochs) {
    if (epoch.diskId.length !== ID_SIZE || epoch.generationId.length !== ID_SIZE) throw violation(thing, 'an id in it is no id');
    if (epoch.number > BigInt(Number.MAX_SAFE_INTEGER)) throw violation(nameOf(epoch), 'its number is impossible');
  }
  if (epochs.length > 1 && new Set(epochs.map(({ diskId }) => idText(diskId))).size !== epochs.length)
    throw violation(thing, 'it has a disk twice');
};

/** A disk whose epochs do not follow what this side has. */
export interface Unfit {
  readonly diskId: Uint8Array;
  readonly reason: string;
}

/**
 * The epochs that cannot follow: the vault would refuse them, so the disk has to be resynchronized. What is there already may come again: the vault
 * compares it.
 */
export const unfitEpochs = (
  { epochs }: { readonly epochs: readonly Begun[] },
  accepted: Pick<AcceptedEpochs, 'of' | 'isInLog'>,
): Unfit[] => {
  const unfit: Unfit[] = [];
  for (const { diskId, generationId, number } of epochs) {
    if (number === 0n || accepted.isInLog({ generationId: idText(generationId), number: Number(number) })) continue;
    const last = accepted.of(idText(diskId));
    const isOfLast = last?.generationId === idText(generationId);
    if (isOfLast && number <= BigInt(last.number + 1)) continue;
    const has = last === undefined ? 'nothing of it' : `epoch ${last.number} of generation ${last.generationId}`;
    unfit.push({ diskId, reason: `epoch ${number} of generation ${idText(generationId)} came, and the vault has ${has}` });
  }
  return unfit;
};

/** Checks a whole cut against how it began and what came of it. Throws PROTOCOL_VIOLATION. */
export const checkEnd = (cut: Cut, begin: CutBegin, progress: readonly EpochProgress[], machineId: string): void => {
  const thing = `cut ${idText(begin.cutId)}`;
  if (idText(cut.id) !== idText(begin.cutId)) throw violation(thing, `it ends as cut ${idText(cut.id)}`);
  if (idText(cut.machineId) !== machineId) throw violation(thing, `it is of machine ${idText(cut.machineId)}`);
  if (cut.epochs.length !== begin.epochs.length) throw violation(thing, 'it ends with other epochs than it began with');
  for (const [index, epoch] of cut.epochs.entries()) {
    const begun = begin.epochs[index]!;
    const same =
      idText(epoch.diskId) === idText(begun.diskId) &&
      idText(epoch.generationId) === idText(begun.generationId) &&
      epoch.number === begun.number;
    if (!same) throw violation(nameOf(epoch), `the cut began with ${nameOf(begun)}`);
    checkEpoch(epoch, progress[index]!);
  }
};

/** Checks a cut that came in one message, for which there are no frames. Throws PROTOCOL_VIOLATION, DAMAGED. */
export const checkWhole = (cut: Cut, machineId: string): void => {
  checkBegin({ cutId: cut.id, epochs: cut.epochs });
  if (idText(cut.machineId) !== machineId) throw violation(`cut ${idText(cut.id)}`, `it is of machine ${idText(cut.machineId)}`);
  for (const epoch of cut.epochs) checkEpoch(epoch, NO_PROGRESS);
  checkContent(
    cut,
    cut.epochs.map(() => NO_CONTENT),
  );
};

/** Compares what came with what the agent committed: from here on the bytes are those. Throws DAMAGED. */
export const checkContent = ({ epochs }: Cut, digests: readonly Uint8Array[]): void => {
  for (const [index, epoch] of epochs.entries()) {
    if (Buffer.compare(epoch.contentDigest, digests[index]!) === 0) continue;
    throw new HoldfastError('DAMAGED', {
      thing: nameOf(epoch),
      why: 'its frames fail its content digest',
      remedy: 'nothing: the agent sends them again; if it stays so, look at the memory of both machines',
    });
  }
};

const checkEpoch = (epoch: Epoch, progress: EpochProgress): void => {
  if (epoch.contentDigest.length !== DIGEST_SIZE) throw violation(nameOf(epoch), 'its content digest is no digest');
  if (epoch.frameCount !== BigInt(progress.frames))
    throw violation(nameOf(epoch), `it announces ${epoch.frameCount} frames, and ${progress.frames} came`);
  if (BigInt(progress.end) > epoch.diskSize)
    throw violation(nameOf(epoch), `its frames reach to byte ${progress.end} of a disk of ${epoch.diskSize}`);
  const announced = [epoch.dataBytes, epoch.zeroBytes, epoch.unreadableBytes].map(Number);
  const came = [progress.dataBytes, progress.zeroBytes, progress.unreadableBytes];
  if (announced.some((bytes, kind) => bytes !== came[kind]))
    throw violation(
      nameOf(epoch),
      `it announces ${announced.join(', ')} bytes of data, zeroes and unreadable, and ${came.join(', ')} came`,
    );
};
