// Longer than others: a capture is the order in which its rooms are called, and that order is what it promises.
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { BLOCK_SIZE, type CodecName, type Extent } from '@holdfast/block';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type CutContent, type Instant, InstantSchema, idBytes, idText, type Manifest, newId, PointKind } from '@holdfast/protocol';
import type { Hrl, HrlCutWriter } from '../hrl/hrl.ts';
import type { Continuity, WriteTraceSession } from '../trace/trace.ts';
import type { Capture, CaptureDisk, CopyProgress, Proposal, WriterHold } from './capture.ts';
import { type CaptureDisks, createCaptureDisks, type DiskState, hasHistory } from './capture-disks.ts';
import { type ConvergeLimits, converge, notConverged } from './converge.ts';
import { createConvergence } from './convergence.ts';
import { type CopyPace, createCopyPace } from './copy-pace.ts';
import { type CopyingOptions, createCopying, type Piece } from './copying.ts';
import { advance, refuseShrunk, resumeLineage } from './lineage.ts';
import { lookInterval } from './look-interval.ts';
import { openOthersWork } from './others-work.ts';
import { createMember, cutOf, type MemberDisk, pointOf } from './proposal.ts';
import type { Convergence } from './rounds.ts';
import { createSamples, type Sample } from './samples.ts';
import { type ScanningSession, withScannedDisks } from './scanned-disks.ts';
import { createSilence, LOOK_EVERY, type Silence } from './silence.ts';

/** Bytes of changes a piece of a copy holds unless told. */
const PIECE_SIZE = 16 * 1024 * 1024;
/** Changed bytes that are left to the closing cut of a copy; more is copied as pieces first. */
const CATCH_UP_SIZE = 16 * 1024 * 1024;
/** Pieces of catching up after which a machine that writes faster than it is read is cut as it is. */
const CATCH_UP_PIECES = 20;
/** Milliseconds between comparisons with what the kernel counted. */
const VERIFY_EVERY = 10_000;
/** Why no disk can be cut for the moment. */
const COPIED_ANEW = 'what its disks grew by, or what was written to one unseen, is being copied';
/** Milliseconds between looks whether a disk that is scanned rests. */
const REST = 500;

export interface TraceCaptureOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  readonly session: WriteTraceSession;
  readonly hrl: Hrl;
  /** The kernel's boot id, 32 hexadecimal digits. */
  readonly bootId: string;
  readonly codec?: CodecName;
  /** What the machine is now; asked at every point. */
  manifest(): Promise<Manifest>;
  /** Disks of the machine that a policy leaves out, by id. */
  readonly excludedDisks?: readonly string[];
  /** Bytes of changes a piece of a copy holds, roughly. */
  readonly pieceSize?: number;
  readonly pace?: CopyPace;
  /** What the vault has of a disk in a state; without it, disks that resynchronize are copied whole. */
  readonly digests?: CopyingOptions['digests'];
  /** A disk that resynchronizes cannot be compared, and is copied whole. */
  onWhole?(diskId: string, reason: HoldfastError): void;
  /** Waits for writes under way to end, between rounds; a millisecond unless told. */
  pause?(): Promise<void>;
  /** Milliseconds for which nothing may have been written to a disk that is scanned before it is read. */
  readonly quiet?: number;
  /** Rounds that read something, and milliseconds, after which a cut is given up. */
  readonly limits?: ConvergeLimits;
  /** Writes a second from which on their beginnings are told of only while something is read; see `createSilence`. */
  readonly busyFrom?: number;
  /** False publishes what is not exact. Only for showing that the oracles notice. */
  readonly checkConflicts?: boolean;
}

interface OpenProposal extends Proposal {
  readonly writer: HrlCutWriter;
  readonly members: readonly MemberDisk[];
  readonly time: Instant;
}

class TraceCapture implements Capture {
  readonly failure: Promise<never>;
  readonly #options: TraceCaptureOptions;
  readonly #session: ScanningSession;
  readonly #convergence: Convergence;
  readonly #disks: CaptureDisks;
  readonly #timers: NodeJS.Timeout[];
  readonly #samples = createSamples();
  readonly #silence: Silence;
  #isLookingAtLoad = false;
  readonly #pace = createCopyPace({ rate: 0, yields: false });
  #fail: (reason: unknown) => void = () => undefined;
  #failed: { readonly reason: unknown } | undefined;
  #open: OpenProposal | undefined;
  /** Given when the open proposal has ended. */
  #ended: { readonly promise: Promise<void>; resolve(): void } | undefined;
  #closed = false;
  #copyingBehind: Promise<void> | undefined;
  /** Cuts are made one after the other: the `.hrl` takes one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: TraceCaptureOptions) {
    this.#options = options;
    this.#session = withScannedDisks(options.session, options.quiet);
    const { trace } = this.#session;
    this.#convergence = createConvergence({ trace, checkConflicts: options.checkConflicts ?? true });
    this.#disks = createCaptureDisks(this.#session, this.#convergence);
    this.#silence = createSilence(this.#convergence, options.busyFrom);
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => undefined);
    this.#timers = [
      setInterval(() => this.#watch(() => this.#convergence.drain()), lookInterval(trace.ringBytes ?? 0)),
      setInterval(() => this.#watch(() => trace.verify(this.#convergence.sink)), VERIFY_EVERY),
      setInterval(() => void this.#lookAtLoad(), LOOK_EVERY),
    ];
  }

  async attach(disk: CaptureDisk): Promise<Continuity> {
    return this.#inTurn(async () => {
      const head = this.#options.hrl.heads().get(disk.id);
      refuseShrunk(disk.id, disk.source.size, head);
      const { index, continuity } = this.#session.attach(disk.device, this.#convergence.sink);
      const lineage = resumeLineage(disk.id, disk.source.size, head, continuity);
      this.#disks.add(index, disk, lineage);
      return continuity;
    });
  }

  get canCut(): boolean {
    return this.#disks.ready().length > 0;
  }

  get resynchronizing(): readonly string[] {
    return this.#disks.resynchronizing().map(({ disk }) => disk.id);
  }

  detach(diskId: string): Promise<void> {
    return this.#inTurn(async () => {
      const index = this.#disks.indexOf(diskId);
      if (index === undefined) throw misuse(`disk ${diskId} is not attached`);
      if (this.#open?.members.some((member) => member.index === index)) throw misuse(`disk ${diskId} is part of an open proposal`);
      this.#session.detach(index);
      this.#disks.remove(index);
    });
  }

  async copy({ signal, onProgress }: { signal?: AbortSignal; onProgress?(progress: CopyProgress): void } = {}): Promise<void> {
    // Disks may be attached meanwhile; and what changes on one while the others are copied is best read at the end.
    while (!this.#isOver(signal) && this.#disks.copying().length > 0) {
      for (const [index, state] of this.#disks.copying()) await this.#cover(index, state, signal, onProgress);
      for (const [index, state] of this.#disks.copying()) {
        for (let pieces = 0; await this.#piece(index, state, () => this.#catchingUp(index, state, pieces), signal); ) pieces += 1;
      }
      const left = this.#disks.copying();
      const rest = left.length > 0 && left.every(([, { disk }]) => disk.device.scanned !== undefined);
      if (rest && !this.#isOver(signal)) await sleep(REST, undefined, { signal }).catch(() => undefined);
    }
  }

  propose(hold?: WriterHold): Promise<Proposal> {
    return this.#inTurn(async () => {
      if (this.#open !== undefined) throw misuse('a proposal is open already');
      const grew = this.#disks.takeGrowth();
      const unseen = this.#disks.takeUnseen();
      if (grew || unseen) this.#copyBehind();
      if (!this.canCut) throw grew || unseen ? notConverged(0, COPIED_ANEW) : misuse('no disk has been copied yet');
      const writer = this.#options.hrl.begin();
      const members = this.#members(writer);
      const { pause, limits } = this.#options;
      try {
        const { rounds, held } = await converge({
          convergence: this.#convergence,
          disks: members,
          hold,
          ...(pause === undefined ? {} : { pause }),
          ...(limits === undefined ? {} : { limits }),
        });
        this.#open = { cutId: newId(), instant: this.#convergence.instant, rounds, held, writer, members, time: this.#time() };
        this.#ended = Promise.withResolvers();
        return this.#open;
      } catch (reason) {
        this.#drop(writer, members);
        throw this.#judge(reason);
      }
    });
  }

  publish(proposal: Proposal, kind: PointKind = PointKind.CRASH): Promise<CutContent> {
    return this.#inTurn(async () => {
      const { writer, members, cutId, time } = this.#take(proposal);
      const { hrl, machineId, excludedDisks = [] } = this.#options;
      const absent = this.#disks.without(members);
      let manifest: Manifest | undefined;
      try {
        if (!absent.some(hasHistory)) manifest = await this.#options.manifest();
      } catch (reason) {
        this.#drop(writer, members);
        throw reason;
      }
      let content: CutContent;
      try {
        const epochs = [];
        for (const member of members) epochs.push(await member.finish({ open: false, covered: 0, cutId, instant: time }));
        const cut = cutOf({ cutId, machineId, members, epochs });
        if (manifest !== undefined) {
          const notYetCopied = absent.map(({ disk }) => disk.id);
          cut.point = pointOf(cut, { kind, time, manifest, notYetCopied, excluded: excludedDisks });
          if (hrl.lastManifest?.id !== idText(manifest.id)) cut.manifest = manifest;
        }
        this.#assure();
        content = writer.commit(cut);
      } catch (reason) {
        this.#drop(writer, members);
        throw this.#judge(reason);
      }
      this.#committed(members, { open: false, covered: 0 });
      return content;
    });
  }

  sample(diskId: string, range: Extent): Promise<Sample | undefined> {
    return this.#inTurn(async () => {
      const index = this.#disks.indexOf(diskId);
      const state = index === undefined ? undefined : this.#disks.get(index);
      // A proposal's own reads are judged by what happens until it is published.
      if (index === undefined || state === undefined || state.lineage.open || this.#open !== undefined) return undefined;
      if (state.disk.device.scanned !== undefined) return undefined;
      const end = Math.min(range.offset + range.length, state.disk.source.size);
      const read = { offset: range.offset, length: end - range.offset };
      try {
        const blocks = this.#convergence.readStill(index, read);
        const { generationId, next } = state.lineage;
        return this.#samples.take(diskId, { generationId, number: next - 1 }, read, blocks);
      } catch (reason) {
        throw this.#judge(reason);
      }
    });
  }

  abandon(proposal: Proposal): Promise<void> {
    return this.#inTurn(async () => {
      const { writer, members } = this.#take(proposal);
      this.#drop(writer, members);
    });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#closed = true;
    await this.#turn;
    if (this.#open !== undefined) {
      const { writer, members } = this.#take(this.#open);
      this.#drop(writer, members);
    }
    await this.#copyingBehind;
    for (const index of this.#disks.indexes()) this.#disks.remove(index);
    this.#session.endScans();
  }

  async #cover(
    index: number,
    state: DiskState,
    signal: AbortSignal | undefined,
    onProgress: ((progress: CopyProgress) => void) | undefined,
  ): Promise<void> {
    const { pieceSize = PIECE_SIZE, pace = this.#pace, digests, onWhole = () => undefined } = this.#options;
    const about = { convergence: this.#convergence, pieceSize, pace, others: openOthersWork, onWhole };
    const copying = createCopying({ ...about, ...(digests && { digests }) }, state);
    for (;;) {
      await copying.prepare(signal);
      if (!(await this.#piece(index, state, () => (this.#mayRead(index, state) ? copying.piece() : undefined), signal))) return;
      onProgress?.(this.#disks.progress());
    }
  }

  /** A disk that is scanned is read while it rests, from its beginning. */
  #mayRead(index: number, { lineage }: DiskState): boolean {
    return lineage.covered === 0 ? this.#session.beginScan(index) : this.#session.isStill(index);
  }

  /** What was written meanwhile, unless it is little enough for a cut, or catching up has been tried for long. */
  #catchingUp(index: number, state: DiskState, pieces: number): Piece | undefined {
    const { open, covered } = state.lineage;
    if (!open || covered < state.disk.source.size || !this.#session.isStill(index)) return undefined;
    if (pieces < CATCH_UP_PIECES && this.#convergence.pending(index) * BLOCK_SIZE > CATCH_UP_SIZE) {
      return { read: (member) => this.#convergence.readChanges(member).then(() => covered) };
    }
    state.copied = true;
    return undefined;
  }

  /** One epoch of one disk whose generation stays open. False when `plan`, asked when nothing else goes on, wants none, or it is over. */
  async #piece(index: number, state: DiskState, plan: () => Piece | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    for (;;) {
      const made = await this.#inTurn(async () => {
        if (this.#isOver(signal) || this.#disks.get(index) !== state) return false;
        // Reading on would change what the proposal's own reads are judged by.
        if (this.#open !== undefined) return 'a proposal is open';
        this.#disks.takeGrowth();
        this.#disks.takeUnseen();
        const piece = plan();
        if (piece === undefined) return false;
        await this.#commitPiece(index, state, piece);
        return true;
      });
      if (typeof made === 'boolean') return made;
      await this.#proposalEnds(signal);
    }
  }

  async #commitPiece(index: number, state: DiskState, piece: Piece): Promise<void> {
    const { hrl, codec = 'lz4', machineId } = this.#options;
    const writer = hrl.begin();
    const member = createMember({ index, lineage: state.lineage, diskSize: state.disk.source.size, codec, writer, epochIndex: 0 });
    let covered: number;
    try {
      covered = await piece.read(member);
      const cutId = newId();
      const epoch = await member.finish({ open: true, covered, cutId, instant: this.#time() });
      this.#refuseFailed();
      writer.commit(cutOf({ cutId, machineId, members: [member], epochs: [epoch] }));
    } catch (reason) {
      this.#drop(writer, [member]);
      throw this.#judge(reason);
    }
    this.#committed([member], { open: true, covered });
  }

  /** Nobody else would copy a disk that had been copied. */
  #copyBehind(): void {
    // A failure that is not this copy's alone ends the capture; what is left, a full log, is tried again with the next cut.
    this.#copyingBehind ??= this.copy()
      .catch(() => undefined)
      .finally(() => (this.#copyingBehind = undefined));
  }

  #isOver(signal: AbortSignal | undefined): boolean {
    return this.#closed || signal?.aborted === true;
  }

  async #proposalEnds(signal: AbortSignal | undefined): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const onAbort = (): void => resolve();
    signal?.addEventListener('abort', onAbort);
    await Promise.race([this.#ended?.promise, aborted]);
    signal?.removeEventListener('abort', onAbort);
  }

  #members(writer: HrlCutWriter): MemberDisk[] {
    const { codec = 'lz4' } = this.#options;
    return this.#disks
      .ready()
      .map(([index, { lineage, disk }], epochIndex) =>
        createMember({ index, lineage, diskSize: disk.source.size, codec, writer, epochIndex }),
      );
  }

  #committed(members: readonly MemberDisk[], state: { readonly open: boolean; readonly covered: number }): void {
    // From here on a restart may go on with these generations: the log knows them.
    for (const { index, lineage, staging } of members) {
      const { generationId, next, diskId } = lineage;
      this.#samples.committed(diskId, { generationId, number: next }, (block) => staging.blocks.has(block));
      this.#disks.get(index)!.lineage = advance(lineage, state);
      if (lineage.generation !== undefined) this.#session.confirm(index);
    }
    this.#convergence.committed(members, !state.open);
  }

  /** The last look before a point counts: nothing may be missing from the trace up to now. */
  #assure(): void {
    this.#session.trace.verify(this.#convergence.sink);
    this.#convergence.drain();
    this.#refuseFailed();
    const grown = this.#disks.grown();
    if (grown !== undefined) throw notConverged(1, `disk ${grown} had grown`);
    const unseen = this.#disks.unseen();
    if (unseen !== undefined) throw notConverged(1, `disk ${unseen} is captured by scan, and something was written to it`);
  }

  #refuseFailed(): void {
    if (this.#failed !== undefined) throw this.#failed.reason;
  }

  /** Ends the capture unless it was only this cut that could not be made. */
  #judge(reason: unknown): unknown {
    const passing = isHoldfastError(reason, 'CAPTURE_NOT_CONVERGED') || isHoldfastError(reason, 'NO_SPACE');
    if (!passing) this.#endWith(reason);
    return reason;
  }

  #endWith(reason: unknown): void {
    if (this.#failed !== undefined) return;
    this.#failed = { reason };
    // A loss that only the capture saw must not be taken for continuity by whoever comes next: its disks are forgotten.
    if (isHoldfastError(reason, 'CONTINUITY_LOST')) for (const index of this.#disks.indexes()) this.#forget(index);
    this.#ended?.resolve();
    this.#fail(reason);
  }

  #forget(index: number): void {
    try {
      this.#session.detach(index);
    } catch {
      // The trace itself is what failed: it remembers that by itself.
    }
  }

  #drop(writer: HrlCutWriter, members: readonly MemberDisk[]): void {
    writer.abandon();
    this.#convergence.abandoned(members);
  }

  #take(proposal: Proposal): OpenProposal {
    const open = this.#open;
    if (open === undefined || open.cutId !== proposal.cutId) throw misuse(`proposal ${proposal.cutId} is not open`);
    this.#open = undefined;
    this.#ended?.resolve();
    return open;
  }

  /** The instant of the cut being made, for people and for comparison within this boot. */
  #time(): Instant {
    const { instant } = this.#convergence;
    const { trace } = this.#session;
    const age = BigInt(Math.round(trace.now() - instant));
    return create(InstantSchema, {
      unixNanos: BigInt(Date.now()) * 1_000_000n - age,
      monotonicNanos: trace.start + BigInt(Math.round(instant)),
      bootId: idBytes(this.#options.bootId),
    });
  }

  /** Runs something of the trace outside a cut; its failure ends the capture. */
  #watch(look: () => void): void {
    if (this.#failed !== undefined) return;
    try {
      look();
    } catch (reason) {
      this.#endWith(reason);
    }
  }

  /** Between cuts nobody has to know of writes that begin. */
  async #lookAtLoad(): Promise<void> {
    if (this.#isLookingAtLoad) return;
    this.#isLookingAtLoad = true;
    const look = (): void => this.#silence.look(this.#open !== undefined || this.#disks.hasCopiedInPart());
    // What fails of it ends the capture; that it has failed already is known.
    await this.#inTurn(async () => this.#watch(look)).catch(() => undefined);
    this.#isLookingAtLoad = false;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      this.#refuseFailed();
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const misuse = (why: string): HoldfastError => new HoldfastError('INTERNAL', { thing: 'capture', why, remedy: 'report this' });

/** A capture by the kernel's block tracepoints. Disks come with `attach`; cuts are committed to `hrl`. */
export const createTraceCapture = (options: TraceCaptureOptions): Capture => new TraceCapture(options);
