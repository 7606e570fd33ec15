import { rm } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import {
  BLOCK_SIZE,
  blockCount,
  COARSE_SPAN,
  coarsen,
  DIGEST_SIZE,
  type Extent,
  markZeroes,
  parseFrame,
  UNKNOWN_MARK,
  ZERO_MARK,
} from '@holdfast/block';
import type { Log } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import { type CutContent, type DigestQuery, DigestRefusal, type EpochRef, idBytes, idText } from '@holdfast/protocol';
import { emptyBlocks, type KnownBlocks, type MachineHistory, readDigests, readMachine, type Vault } from '@holdfast/vault';
import { violation } from '../receive/check-frames.ts';
import { interrupted } from '../upload/interrupted.ts';
import type { EpochPosition } from '../upload/uploader.ts';
import { type DigestFile, type DigestState, NEWEST, openDigestFile } from './digest-file.ts';

/** Bytes of a disk that one query may be about. */
const MOST = { fine: 64 * 1024 * 1024, coarse: 4 * 1024 * 1024 * 1024 };
/** Blocks whose digests are read from the file at once for coarse ones: a few milliseconds of work. */
const STEP = (256 * COARSE_SPAN) / BLOCK_SIZE;

/** Cuts that may wait to be taken in; others are left to be read in the vault. */
const MOST_FOLLOWING = 64;
/** Bytes of marks written at once. */
const MARKS = 64 * 1024;

/** What is answered to a query, but for its id. */
export type DigestAnswer =
  | { readonly state: EpochPosition; readonly digests: Uint8Array /** Bytes of the disk. */; readonly size: number }
  | { readonly refusal: DigestRefusal; readonly reason: string };

/** Answers what a machine's disks are in the vault by the digests of their blocks. */
export interface MachineDigests {
  /**
   * Brings what is known here to the state that is asked for, out of the vault, and answers from it. One after the other. Rejects with
   * PROTOCOL_VIOLATION.
   */
  answer(query: DigestQuery): Promise<DigestAnswer>;
  /** Takes in a cut that is in the vault now, so that it need not be read there; what does not follow what is known is left alone. Never rejects. */
  follow(cut: CutContent): Promise<void>;
  close(): Promise<void>;
  /** Closes, and removes what is kept of the machine. */
  forget(): Promise<void>;
}

export interface MachineDigestsOptions {
  readonly machineId: string;
  /** For this machine alone. */
  readonly directory: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  vault(): Promise<Vault>;
  /** True while an epoch is on its way into the vault. */
  isPending(diskId: string, epoch: EpochPosition): boolean;
  /** Somebody cannot go on before it is there. */
  hurry(): void;
  /** The vault turned out to be damaged where it was read. */
  onDamage(reason: Error): void;
  readonly log: Log;
}

interface Wanted {
  readonly diskId: string;
  readonly state: EpochPosition;
  readonly orNewer: boolean;
}

const refOf = ({ generationId, number }: EpochPosition): EpochRef =>
  ({ $typeName: 'holdfast.v1.EpochRef', generationId: idBytes(generationId), number: BigInt(number) }) as EpochRef;

const fits = ({ state, orNewer }: Wanted, known: DigestState | undefined): boolean =>
  known !== undefined &&
  known.towards === undefined &&
  known.at.generationId === state.generationId &&
  (known.at.number === state.number || (orNewer && known.at.number > state.number));

class CachedDigests implements MachineDigests {
  readonly #options: MachineDigestsOptions;
  readonly #files = new Map<string, DigestFile>();
  /** What the files hold, where that is more than their headers say. */
  readonly #followed = new Map<string, { readonly at: EpochPosition; readonly size: number }>();
  #turn: Promise<unknown> = Promise.resolve();
  /** Cuts that wait to be taken in. */
  #following = 0;
  /** The vault is being read: of a large disk that may take hours. */
  #isReading = false;
  #closed = false;

  constructor(options: MachineDigestsOptions) {
    this.#options = options;
  }

  answer(query: DigestQuery): Promise<DigestAnswer> {
    const { offset, length } = checkQuery(query, this.#options.machineId);
    const { coarse, orNewer } = query;
    const wanted: Wanted = {
      diskId: idText(query.diskId),
      state: { generationId: idText(query.state!.generationId), number: Number(query.state!.number) },
      orNewer,
    };
    const answered = this.#turn.then(async (): Promise<DigestAnswer> => {
      try {
        return (await this.#prepare(wanted)) ?? (await this.#read(wanted.diskId, offset, length, coarse));
      } catch (reason) {
        const { log, machineId } = this.#options;
        const error = fromSystem(reason, `disk ${wanted.diskId}`, 'INTERNAL');
        log.warn('Digests of a disk cannot be had', { machine: machineId, disk: wanted.diskId, error });
        return { refusal: DigestRefusal.UNAVAILABLE, reason: `${error.thing}: ${error.why}` };
      }
    });
    this.#turn = answered;
    return answered;
  }

  async follow(cut: CutContent): Promise<void> {
    // Who waits holds the journal; what is not followed is read when it is asked for.
    if (this.#closed || this.#isReading || this.#following >= MOST_FOLLOWING) return;
    this.#following += 1;
    const followed = this.#turn.then(async () => {
      for (const index of cut.cut.epochs.keys()) await this.#followEpoch(cut, index);
    });
    this.#turn = followed
      .catch((reason: unknown) => {
        const { log, machineId } = this.#options;
        log.warn('Digests cannot be kept; they are read from the vault when they are needed', { machine: machineId, error: reason });
        this.#followed.clear();
      })
      .finally(() => {
        this.#following -= 1;
      });
    await this.#turn;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    for (const diskId of [...this.#followed.keys()]) await this.#note(diskId);
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  async forget(): Promise<void> {
    await this.close();
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  #file(diskId: string): DigestFile {
    const known = this.#files.get(diskId);
    if (known !== undefined) return known;
    const file = openDigestFile(this.#options.directory, diskId, this.#options.key);
    this.#files.set(diskId, file);
    return file;
  }

  async #followEpoch({ cut, frames }: CutContent, index: number): Promise<void> {
    const epoch = cut.epochs[index]!;
    const diskId = idText(epoch.diskId);
    const at = { generationId: idText(epoch.generationId), number: Number(epoch.number) };
    const size = Number(epoch.diskSize);
    const file = this.#file(diskId);
    const generation = cut.generations.find(({ id }) => idText(id) === at.generationId);
    if (generation !== undefined && generation.parent === undefined) {
      this.#followed.delete(diskId);
      await file.reset();
      await apply(file, frames(index));
      file.follow(at);
      await file.setState({ at, towards: { generationId: at.generationId, number: NEWEST }, size });
    } else {
      const before = this.#followed.get(diskId)?.at ?? (file.state?.towards === undefined ? file.state?.at : undefined);
      // The pieces of a resynchronization are not taken in before it is over: until then it is compared with the state it builds on.
      if (before?.generationId !== at.generationId || before.number + 1 !== at.number) return;
      const isFirst = !this.#followed.has(diskId);
      if (isFirst) await file.setState({ at: before, towards: { generationId: at.generationId, number: NEWEST }, size: file.state!.size });
      // An epoch of which nothing is taken in need not be told of: of an idle machine that is each.
      if (isFirst || epoch.frameCount > 0n) file.follow(at);
      await apply(file, frames(index));
    }
    this.#followed.set(diskId, { at, size });
  }

  /** Puts into the file's header what it holds. */
  async #note(diskId: string): Promise<void> {
    const followed = this.#followed.get(diskId);
    if (followed === undefined) return;
    this.#followed.delete(diskId);
    await this.#file(diskId).setState({ ...followed, towards: undefined });
  }

  async #read(diskId: string, offset: number, length: number, coarse: boolean): Promise<DigestAnswer> {
    const file = this.#file(diskId);
    const { at, size } = file.state!;
    const first = offset / BLOCK_SIZE;
    const end = Math.max(first, blockCount(Math.min(size, offset + length)));
    if (!coarse) return { state: at, digests: file.read(first, end - first), size };
    const parts: Uint8Array[] = [];
    for (let from = first; from < end; from += STEP) {
      parts.push(coarsen(file.read(from, Math.min(STEP, end - from))));
      await setImmediate();
    }
    return { state: at, digests: Buffer.concat(parts), size };
  }

  /** Brings the file of the disk to what is wanted; or tells why not. */
  async #prepare(wanted: Wanted): Promise<DigestAnswer | undefined> {
    const { diskId, state, orNewer } = wanted;
    if (this.#closed) return { refusal: DigestRefusal.UNAVAILABLE, reason: 'the process server lets go of the machine' };
    await this.#note(diskId);
    const file = this.#file(diskId);
    if (fits(wanted, file.state)) return undefined;
    const notDurable = { refusal: DigestRefusal.NOT_DURABLE, reason: `epoch ${state.number} is not in the vault yet` };
    if (this.#options.isPending(diskId, state)) {
      // A copy cannot go on; who takes newer ones too compares at leisure.
      if (!orNewer) this.#options.hurry();
      return notDurable;
    }
    this.#isReading = true;
    try {
      const history = await readMachine(await this.#options.vault(), this.#options.machineId);
      const target = closedEpoch(history, diskId, state, orNewer);
      if (target === undefined) return notDurable;
      await this.#bring(file, history, diskId, target);
      return undefined;
    } finally {
      this.#isReading = false;
    }
  }

  async #bring(file: DigestFile, history: MachineHistory, diskId: string, target: EpochPosition): Promise<void> {
    const known = file.state;
    try {
      if (known?.towards !== undefined) {
        // A change that did not come to its end: every block it touched is gone over again.
        const { generationId, number } = known.towards;
        const end = number === NEWEST ? wholeEnd(file, newestOf(history, diskId, generationId)) : known.towards;
        const isForward = end !== undefined && !(end.generationId === known.at.generationId && end.number === known.at.number);
        // Of a vault that was rolled back nobody can tell which blocks it touched.
        if (isForward) await this.#move(file, history, diskId, known.at, end, true);
        else await file.reset();
      }
      const { at } = file.state ?? {};
      if (at !== undefined) await this.#move(file, history, diskId, at, target);
    } catch (reason) {
      if (fromSystem(reason, diskId).code !== 'DAMAGED') throw reason;
      // What is known here rests on an epoch that was thinned since.
      await file.reset();
    }
    if (file.state === undefined) await this.#readAll(file, history, diskId, target);
  }

  /**
   * Reads the digests of what differs between two epochs. `again`: some blocks may be those of epochs between them. What was written there and is zeroes
   * at both ends is no difference.
   */
  async #move(
    file: DigestFile,
    history: MachineHistory,
    diskId: string,
    from: EpochPosition,
    to: EpochPosition,
    again = false,
  ): Promise<void> {
    if (from.generationId === to.generationId && from.number === to.number) return;
    if (entryOf(history, diskId, from) === undefined || entryOf(history, diskId, to) === undefined) {
      await file.reset();
      return;
    }
    const size = sizeAt(history, diskId, to);
    await file.setState({ at: from, towards: to, size: file.state!.size });
    const { onDamage } = this.#options;
    await this.#write(file, readDigests(history, diskId, refOf(to), { since: refOf(from), onDamage }));
    if (again) await this.#clear(file, emptyBlocks(history, diskId, refOf(to)));
    await file.setState({ at: to, towards: undefined, size });
  }

  async #write(file: DigestFile, parts: AsyncIterable<KnownBlocks>): Promise<void> {
    for await (const { offset, digests } of parts) {
      if (this.#closed) throw interrupted(`machine ${this.#options.machineId}`, 'this process server lets go of it');
      file.write(offset / BLOCK_SIZE, digests);
    }
  }

  async #clear(file: DigestFile, extents: AsyncIterable<Extent>): Promise<void> {
    for await (const { offset, length } of extents) {
      const end = offset / BLOCK_SIZE + blockCount(length);
      for (let first = offset / BLOCK_SIZE; first < end; first += STEP) {
        if (this.#closed) throw interrupted(`machine ${this.#options.machineId}`, 'this process server lets go of it');
        const known = file.read(first, Math.min(STEP, end - first));
        // What is a hole stays one.
        if (known.some((byte) => byte !== ZERO_MARK)) file.write(first, new Uint8Array(known.length));
        await setImmediate();
      }
    }
  }

  async #readAll(file: DigestFile, history: MachineHistory, diskId: string, target: EpochPosition): Promise<void> {
    const { log, machineId, onDamage } = this.#options;
    const size = sizeAt(history, diskId, target);
    log.info('Digests of a whole disk are read out of the vault', { machine: machineId, disk: diskId, size });
    await file.reset();
    await this.#write(file, readDigests(history, diskId, refOf(target), { onDamage }));
    await file.setState({ at: target, towards: undefined, size });
  }
}

/** Writes what the frames of an epoch say. */
const apply = async (file: DigestFile, frames: AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const bytes of frames) {
    const { extents, digests } = parseFrame(bytes, { vouched: true });
    let from = 0;
    for (const { offset, length, kind } of extents) {
      const count = blockCount(length) * DIGEST_SIZE;
      if (kind === 'data') {
        const known = Uint8Array.from(digests.subarray(from, from + count));
        file.write(offset / BLOCK_SIZE, markZeroes(known, length % BLOCK_SIZE || BLOCK_SIZE));
        from += count;
      } else
        for (let done = 0; done < count; done += MARKS) {
          const marks = new Uint8Array(Math.min(MARKS, count - done)).fill(kind === 'zero' ? ZERO_MARK : UNKNOWN_MARK);
          file.write(offset / BLOCK_SIZE + done / DIGEST_SIZE, marks);
        }
    }
  }
};

const entryOf = (history: MachineHistory, diskId: string, { generationId, number }: EpochPosition) => {
  const generation = history.generations.get(generationId);
  if (generation?.diskId !== diskId) return undefined;
  return generation.epochs.find(({ epoch }) => Number(epoch.number) === number);
};

const newestOf = (history: MachineHistory, diskId: string, generationId: string): EpochPosition | undefined => {
  const generation = history.generations.get(generationId);
  const newest = generation?.epochs.at(-1);
  return generation?.diskId === diskId && newest !== undefined ? { generationId, number: Number(newest.epoch.number) } : undefined;
};

/** The newest epoch of the vault, if it has all that was taken in: of a vault that lost its end it has not, and after a power loss nobody knows. */
const wholeEnd = ({ followed }: DigestFile, newest: EpochPosition | undefined): EpochPosition | undefined =>
  followed !== undefined && followed.generationId === newest?.generationId && followed.number <= newest.number ? newest : undefined;

/** The epoch to answer by; undefined while it is not in the vault. Only states can be asked for. */
const closedEpoch = (history: MachineHistory, diskId: string, state: EpochPosition, orNewer: boolean): EpochPosition | undefined => {
  const newest = newestOf(history, diskId, state.generationId);
  if (newest === undefined || newest.number < state.number) return undefined;
  const target = orNewer ? newest : state;
  const entry = entryOf(history, diskId, target);
  if (entry === undefined || entry.epoch.open)
    throw violation(`a query for digests of disk ${diskId}`, `epoch ${target.number} of generation ${target.generationId} makes no state`);
  return target;
};

const sizeAt = (history: MachineHistory, diskId: string, state: EpochPosition): number =>
  Number(entryOf(history, diskId, state)!.epoch.diskSize);

/** Errors: PROTOCOL_VIOLATION. */
const checkQuery = (query: DigestQuery, machineId: string): { readonly offset: number; readonly length: number } => {
  const { diskId, state, offset, length, coarse } = query;
  const unit = BigInt(coarse ? COARSE_SPAN : BLOCK_SIZE);
  const most = BigInt(coarse ? MOST.coarse : MOST.fine);
  const isSound =
    diskId.length === 16 &&
    state?.generationId.length === 16 &&
    state.number <= BigInt(NEWEST) &&
    offset % unit === 0n &&
    offset + length <= BigInt(Number.MAX_SAFE_INTEGER) &&
    length > 0n &&
    length <= most;
  if (!isSound) throw violation(`machine ${machineId}`, 'it asked for digests of an impossible state or range');
  return { offset: Number(offset), length: Number(length) };
};

export const createMachineDigests = (options: MachineDigestsOptions): MachineDigests => new CachedDigests(options);
