import { formatBytes } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { type Cut, type CutBegin, type CutEnd, type Frames, idText } from '@holdfast/protocol';
import type { JournaledCut, OpenCut } from '../journal/journal.ts';
import type { AcceptedEpochs } from './accepted-epochs.ts';
import { checkBegin, checkContent, checkEnd, checkWhole, type Unfit, unfitEpochs } from './check-cut.ts';
import { checkFrames, violation } from './check-frames.ts';

/** What is asked for is a multiple of it, bytes. */
const QUOTA_STEP = 256 * 1024 * 1024;

export interface CutIntakeOptions {
  readonly machineId: string;
  begin(begin: CutBegin): OpenCut;
  /** Takes a cut without frames into the journal. */
  commit(cut: Cut): Promise<JournaledCut>;
  /** What is journaled or durable. */
  readonly accepted: Pick<AcceptedEpochs, 'of' | 'isInLog'>;
  /** True for a cut that is journaled or durable. */
  isKnown(cutId: string): boolean;
  /** Bytes of frames that the journal takes of one cut. */
  capacity(): number;
  /** A whole cut came and goes into the journal: it counts for those that follow. */
  onTaken(cut: Cut): void;
  /** The beginning of a cut from an earlier stream, ready to go on. */
  readonly partial: OpenCut | undefined;
}

/** Takes the messages of one stream that make cuts, in order, and puts them into the journal. Throws PROTOCOL_VIOLATION, JOURNAL_FULL, JOURNAL_TOO_SMALL, DAMAGED. */
export interface CutIntake {
  /** The cut that is being received. */
  readonly open: OpenCut | undefined;
  /** What of the cut does not fit: it is read to its end and not kept. */
  begin(begin: CutBegin): readonly Unfit[];
  /** Resolves when the bytes are no longer needed in memory. */
  frames(frames: Frames): Promise<void>;
  /** A cut began that did not end. */
  readonly isReceiving: boolean;
  /** The cut, once it is on the disk; its id when it is known already; undefined when it was not kept. */
  end(end: CutEnd): Promise<Ending>;
  /** A cut that came in one message, without frames: what of it does not fit, and what comes of it. */
  whole(cut: Cut): { readonly unfit: readonly Unfit[]; readonly ending: Promise<Ending> };
}

export type Ending = JournaledCut | { readonly known: string } | undefined;

/*
 * What happens with the cut that is on its way:
 * kept      into the journal
 * known     it is journaled or durable already: the agent did not hear so
 * unfit     the vault would not take it
 */
type Fate = 'kept' | 'known' | 'unfit';

const tooSmall = (cutId: string, machineId: string, bytes: number, capacity: number): HoldfastError =>
  new HoldfastError('JOURNAL_TOO_SMALL', {
    thing: `cut ${cutId} of machine ${machineId}`,
    why: `it takes ${bytes} bytes, and the journal has room for ${capacity}`,
    // Roughly: what is used besides grows with it.
    remedy: `set journal.quota to ${formatBytes(Math.ceil((1.25 * bytes) / QUOTA_STEP + 1) * QUOTA_STEP)} at least; the machine keeps the cut meanwhile`,
  });

export const createCutIntake = (options: CutIntakeOptions): CutIntake => {
  const { machineId, accepted, isKnown } = options;
  let open = options.partial;
  let current: { readonly cutId: string; readonly fate: Fate } | undefined;

  const name = (): string => `cut ${current?.cutId} of machine ${machineId}`;

  /** A cut that was begun before goes on where it was, if it is the same. */
  const goOn = (begin: CutBegin): boolean => {
    if (open === undefined || open.cutId !== idText(begin.cutId)) return false;
    const same =
      begin.epochs.length === open.begin.epochs.length &&
      begin.epochs.every(({ diskId, generationId, number }, index) => {
        const before = open!.begin.epochs[index]!;
        return idText(diskId) === idText(before.diskId) && idText(generationId) === idText(before.generationId) && number === before.number;
      });
    if (!same) throw violation(`cut ${open.cutId} of machine ${machineId}`, 'it began with other epochs before');
    return true;
  };

  /** What is to become of a cut that does not go on. */
  const fateOf = (cutId: string, begin: Parameters<typeof unfitEpochs>[0]): { readonly fate: Fate; readonly unfit: readonly Unfit[] } => {
    open?.drop();
    open = undefined;
    if (isKnown(cutId)) return { fate: 'known', unfit: [] };
    const unfit = unfitEpochs(begin, accepted);
    return { fate: unfit.length > 0 ? 'unfit' : 'kept', unfit };
  };

  return {
    get open() {
      return open;
    },
    get isReceiving() {
      return current !== undefined;
    },
    begin(begin) {
      if (current !== undefined) throw violation(name(), 'another cut begins before it ended');
      checkBegin(begin);
      const cutId = idText(begin.cutId);
      if (begin.bytes > BigInt(options.capacity())) throw tooSmall(cutId, machineId, Number(begin.bytes), options.capacity());
      if (goOn(begin)) {
        current = { cutId, fate: 'kept' };
        return [];
      }
      const { fate, unfit } = fateOf(cutId, begin);
      current = { cutId, fate };
      if (fate === 'kept') open = options.begin(begin);
      return unfit;
    },
    whole(cut) {
      if (current !== undefined) throw violation(name(), 'another cut comes before it ended');
      checkWhole(cut, machineId);
      const cutId = idText(cut.id);
      const { fate, unfit } = fateOf(cutId, cut);
      if (fate !== 'kept') return { unfit, ending: Promise.resolve(fate === 'known' ? { known: cutId } : undefined) };
      options.onTaken(cut);
      return { unfit, ending: options.commit(cut) };
    },
    async frames(frames) {
      if (current === undefined) throw violation(`machine ${machineId}`, 'frames came outside of a cut');
      const chunk = checkFrames(frames, name());
      if (open === undefined) return;
      const progress = open.progress[chunk.epochIndex];
      if (progress === undefined) throw violation(name(), `frames came for its epoch ${chunk.epochIndex}, which it does not have`);
      if (chunk.firstFrame !== 0 && chunk.firstFrame !== progress.frames)
        throw violation(name(), `frame ${chunk.firstFrame} of epoch ${chunk.epochIndex} came where ${progress.frames} was due`);
      await open.append(chunk);
    },
    async end({ cut }) {
      if (current === undefined || cut === undefined) throw violation(`machine ${machineId}`, 'a cut ended that did not begin');
      const { cutId, fate } = current;
      if (open === undefined) {
        current = undefined;
        return fate === 'known' ? { known: cutId } : undefined;
      }
      checkEnd(cut, open.begin, open.progress, machineId);
      const whole = open;
      current = undefined;
      open = undefined;
      try {
        checkContent(cut, whole.digests());
        options.onTaken(cut);
        return await whole.commit(cut);
      } catch (reason) {
        whole.drop();
        throw reason;
      }
    },
  };
};
