// Longer than others: the states of one machine and what leads from one to the next are easier to judge side by side.
import { CODEC, type CodecName } from '@holdfast/block';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type AgentProtection, bytesPerSecondAt, type CutContent, idText, PointKind } from '@holdfast/protocol';
import { type CopyPace, createCopyPace } from '../capture/copy-pace.ts';
import { createPointMaker, type PointMaker } from '../consistency/make-points.ts';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import { releaseLeft } from '../hold/release-left.ts';
import { removeForgotten, snapshotTag } from '../hold/volume-snapshot.ts';
import type { Hrl } from '../hrl/hrl.ts';
import { createNotice } from '../sender/notice.ts';
import type { SenderStatus } from '../sender/sender.ts';
import { withMet } from '../sender/sender-memory.ts';
import { diskStatus } from './disk-status.ts';
import type { Engine, EngineEvent, EngineStatus, Problem } from './engine.ts';
import type { EngineOptions } from './engine-options.ts';
import { createEventList } from './event-list.ts';
import { bytesAtSource, createFigures, durableUpTo } from './figures.ts';
import { createHeldMachine, type HeldMachine } from './held-machine.ts';
import type { MachineCapture } from './machine-capture.ts';
import { openCapture } from './open-capture.ts';
import type { OpenMachine } from './open-machine.ts';
import { createResyncRequest } from './resync-request.ts';
import { checkNowAndThen } from './self-check.ts';
import { copiesRest, resyncOf, type Wanted, wantedOf, wantsAnother } from './wanted.ts';
import { TooMuchForLog, workCapture } from './work-capture.ts';

/** Milliseconds before work that failed is tried again, doubled each time, */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
/** unless it went well for so long. */
const STEADY = 60_000;
/** Milliseconds between looks for disks that are missing. */
const REDISCOVER = 3_000;
/** Seconds from point to point where nobody says. */
const DEFAULT_INTERVAL = 5;

class ProtectingEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #held: HeldMachine;
  readonly #events;
  readonly #stopping = new AbortController();
  readonly #changed = createNotice();
  readonly #pointWanted = createNotice();
  readonly #freed = createNotice();
  readonly #policy = { codec: 'lz4' as CodecName, excludedDisks: [] as readonly string[] };
  /** Disks that must be copied anew, and why. */
  readonly #restart = new Map<string, string>();
  /** Why everything must be. */
  #anew: string | undefined;
  #begunAnew: number | undefined;
  readonly #resync = createResyncRequest();
  readonly #figures = createFigures();
  readonly #points: PointMaker;
  readonly #pace: CopyPace;
  readonly #running: Promise<void>;
  #wanted: Wanted | undefined;
  #disks: readonly RegisteredDisk[] = [];
  #capture: MachineCapture | undefined;
  /** Ends the capture at work, so that it is opened anew. */
  #round = new AbortController();
  #problem: Problem | undefined;
  #isFull = false;
  #isSkipping = false;
  #toldOfSender: string | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { directory, machineId, log, trace } = options;
    this.#held = createHeldMachine({ directory, machineId, log, memoryDirectory: trace.memoryDirectory }, trace);
    const isPaused = (): boolean => this.#isPaused();
    this.#pace = createCopyPace({
      ...options.copy,
      get paused() {
        return isPaused();
      },
    });
    this.#events = createEventList((event) => options.onEvent(event));
    this.#points = createPointMaker({
      places: options.hold,
      onDue: () => this.#pointWanted.give(),
      onProblem: ({ code, message }) => this.#events.warn(code, message),
      onConsistent: (kind, { frozenFor }) => {
        const word = kind === PointKind.APPLICATION ? 'Applications and file systems' : 'File systems';
        this.#events.inform('POINT_CONSISTENT', `${word} were at rest for a point; frozen for ${frozenFor} ms`);
      },
    });
    this.#running = this.#run();
  }

  get status(): EngineStatus {
    const { hrl, sender, memory } = this.#held.current ?? {};
    const newestPoint = memory?.current.newestPoint ?? 0;
    return {
      points: this.#figures.points,
      conflicts: this.#figures.conflicts,
      changedBytes: this.#figures.changedBytes,
      checkedBlocks: this.#figures.checkedBlocks,
      revision: this.#wanted?.revision ?? 0n,
      protecting: this.#wanted?.protection !== undefined,
      disks: this.#knownDisks().map((disk) => diskStatus(disk, this.#view(disk.id))),
      problem: this.#problem,
      sender: sender?.status,
      sentBytes: this.#held.sentBytes,
      pendingBytes: hrl?.usedBytes ?? 0,
      sourceBytes: bytesAtSource(hrl?.committed() ?? [], (id) => sender?.isJournaled(id) === true),
      churnSeconds: this.#figures.churn.seconds,
      peakChurn: this.#figures.churn.peak,
      pendingCuts: hrl?.committed().length ?? 0,
      logQuotaBytes: hrl?.quotaBytes ?? 0,
      newestPoint,
      pointAnswer: this.#pointAnswer(),
      durablePoints: memory?.current.points ?? 0,
      rpoSeconds: this.#rpoSeconds(newestPoint),
    };
  }

  apply(revision: bigint, protection: AgentProtection | undefined): void {
    const before = this.#wanted;
    this.#wanted = wantedOf(revision, protection);
    if (wantsAnother(before, this.#wanted)) {
      this.#reopen('what is to be protected has changed');
      return;
    }
    if (protection === undefined) return;
    this.#adopt(protection);
    this.#held.current?.sender.useServers(protection.processServers);
    if (before?.protection?.pointIntervalSeconds !== protection.pointIntervalSeconds) this.#pointWanted.give();
  }

  pointNow(): void {
    this.#pointWanted.give();
  }

  takeEvents(): EngineEvent[] {
    return this.#events.take();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#points.forget();
    this.#reopen('the agent stops');
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let wait = FIRST_WAIT;
    await this.#releaseLeft();
    while (!signal.aborted) {
      const began = performance.now();
      this.#round = new AbortController();
      try {
        await this.#work();
        this.#problem = undefined;
        wait = FIRST_WAIT;
      } catch (reason) {
        if (performance.now() - began > STEADY) wait = FIRST_WAIT;
        this.#failed(reason);
        await this.#changed.wait(signal, isHoldfastError(reason, 'CONTINUITY_LOST') && wait === FIRST_WAIT ? 0 : wait);
        wait = Math.min(LONGEST_WAIT, wait * 2);
      }
    }
    await this.#held.close();
  }

  /** Does what is wanted until something else is; rejects when it cannot. */
  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    this.#disks = await this.#options.findDisks();
    const wanted = this.#wanted;
    if (wanted?.protection === undefined) {
      if (wanted !== undefined && (await this.#forget(() => this.#held.forgetVault())))
        this.#events.inform('PROTECTION_ENDED', 'The machine is not protected any more; what was kept of it is removed');
      this.#problem = undefined;
      await this.#changed.wait(signal);
      return;
    }
    const { machineId } = this.#options;
    const { protection, diskIds } = wanted;
    if (protection.machineId.length > 0 && idText(protection.machineId) !== machineId) {
      throw new HoldfastError('IDENTITY_MISMATCH', {
        thing: 'the desired state',
        why: `it is of machine ${idText(protection.machineId)}, this is ${machineId}`,
        remedy: 'report this as a bug; nothing is protected meanwhile',
      });
    }
    if (this.#anew !== undefined) await this.#beginAnew();
    const machine = this.#held.current ?? (await this.#openMachine(protection));
    await this.#markCopied();
    await this.#options.registry.mark(diskIds, 'protected');
    this.#adopt(protection);
    machine.sender.useServers(protection.processServers);
    if (diskIds.length === 0) {
      await this.#changed.wait(signal);
      return;
    }
    await this.#captureDisks(
      machine,
      this.#knownDisks().filter(({ id }) => diskIds.includes(id)),
    );
  }

  async #captureDisks(machine: OpenMachine, disks: readonly RegisteredDisk[]): Promise<void> {
    const { hrl } = machine;
    const { machineId, trace, registry } = this.#options;
    const { signal } = this.#round;
    const resyncId = resyncOf(this.#wanted);
    this.#obeyResync(machine, disks, resyncId);
    const capture = await openCapture({
      machineId,
      hrl,
      disks,
      trace,
      policy: this.#policy,
      restart: this.#restart,
      digests: machine.digests,
      pace: this.#pace,
      onWhole: (id, { code, why }) => this.#events.warn(code, `Disk ${this.#nameOf(id)} is copied whole, it cannot be compared: ${why}`),
      stateDirectory: this.#held.digests,
      wasCopied: (id) => registry.marked('copied').includes(id),
    });
    this.#capture = capture;
    this.#problem = undefined;
    this.#restart.clear();
    this.#announce(capture);
    let isCopying = disks.some(({ id }) => hrl.heads().get(id)?.open !== false) || capture.resyncs.size > 0;
    const rediscover = setInterval(() => this.#besides(this.#lookForMissing(capture)), REDISCOVER);
    const over = new AbortController();
    const checking = checkNowAndThen({
      sender: machine.sender,
      disks: () => disks.map(({ id }) => ({ id, size: hrl.heads().get(id)?.diskSize ?? 0 })),
      sample: (id, range) => capture.sample(id, range),
      interval: this.#options.checkInterval,
      onChecked: (blocks) => this.#figures.countChecked(blocks),
      onDiverged: (id, reason) => this.#diverged(id, reason),
      signal: AbortSignal.any([signal, over.signal]),
    });
    try {
      await workCapture({
        capture,
        hrl,
        signal,
        cut: (over) => this.#cut(capture, hrl, disks, over),
        interval: () => this.#interval(),
        pointWanted: this.#pointWanted,
        freed: this.#freed,
        onCommitted: () => this.#committed(machine),
        onSkipped: (reason) => this.#skipped(reason),
        onFull: (full) => this.#full(full),
        onCopied: () => {
          if (isCopying) this.#events.inform('COPY_COMPLETE', 'Every disk is copied');
          isCopying = false;
          this.#metResync(machine, resyncId);
        },
      });
    } catch (reason) {
      if (!(reason instanceof TooMuchForLog)) throw reason;
      this.#restartAll(disks, 'more had changed than the log of the agent holds at once');
    } finally {
      clearInterval(rediscover);
      this.#capture = undefined;
      this.#isFull = false;
      over.abort();
      await capture.close();
      await checking;
    }
  }

  async #openMachine({ processServers }: AgentProtection): Promise<OpenMachine> {
    const { version, waits, connect } = this.#options;
    const machine = await this.#held.open({
      version,
      waits,
      connect,
      servers: processServers,
      isAwaited: (cutId) => this.#points.answer?.cutId === cutId,
      limit: () => bytesPerSecondAt(this.#wanted?.protection?.bandwidth ?? [], new Date()),
      onDurable: () => this.#freed.give(),
      onResyncNeeded: (diskId, reason) => this.#resyncNeeded(diskId, reason),
      onChange: (status) => this.#senderChanged(status),
    });
    for (const loss of machine.hrl.recovery.losses) this.#events.warn('DAMAGED', loss);
    return machine;
  }

  /** Removes what is kept of the machine, and with it what was to be copied anew. */
  async #forget<T>(work: () => Promise<T>): Promise<T> {
    this.#points.forget();
    const outcome = await work();
    this.#anew = undefined;
    this.#restart.clear();
    return outcome;
  }

  /** Ends the present round, so that the next one sees what is wanted now. */
  #reopen(why: string): void {
    this.#round.abort(new HoldfastError('INTERRUPTED', { thing: 'the capture', why, remedy: 'nothing is to be done' }));
    this.#changed.give();
  }

  /** What takes effect without interrupting anything. */
  #adopt(protection: AgentProtection): void {
    const { compression, excludedDiskIds } = protection;
    this.#points.adopt(protection);
    this.#policy.codec = Object.hasOwn(CODEC, compression) ? (compression as CodecName) : 'lz4';
    const known = [...this.#options.registry.marked('protected'), ...(this.#held.current?.hrl.heads().keys() ?? [])];
    const members = new Set(this.#wanted?.diskIds);
    this.#policy.excludedDisks = [...new Set([...excludedDiskIds.map(idText), ...known])].filter((id) => !members.has(id));
  }

  #cut(capture: MachineCapture, hrl: Hrl, disks: readonly RegisteredDisk[], signal: AbortSignal): Promise<CutContent> {
    const isWhole = capture.resyncs.size === 0 && disks.every(({ id }) => hrl.heads().get(id)?.open === false);
    return this.#points.cut(capture, signal, { disks: disks.map(({ path }) => path), isWhole });
  }

  #pointAnswer(): EngineStatus['pointAnswer'] {
    const { answer } = this.#points;
    if (answer === undefined) return undefined;
    const isHeld = this.#held.current?.hrl.committed().some(({ cut }) => idText(cut.id) === answer.cutId) !== false;
    return { ...answer, durable: answer.cutId !== undefined && !isHeld };
  }

  /** What an agent that was killed with its watchdog has left frozen or throttled. */
  async #releaseLeft(): Promise<void> {
    const { hold } = this.#options;
    if (hold === undefined) return;
    try {
      const left = await releaseLeft(hold.log);
      if (left === undefined) return;
      const forgotten = await removeForgotten(snapshotTag(hold.machineId));
      if (left.undone.length + forgotten.found.length + forgotten.problems.length === 0) return;
      const problems = [...left.problems, ...forgotten.problems].map((problem) => `; ${problem}`).join('');
      this.#events.warn('HOLD_FAILED', `What an agent that was killed had held still was let go${problems}`);
    } catch (reason) {
      const { code, message } = fromSystem(reason, hold.log);
      this.#events.warn(code, message);
    }
  }

  #rpoSeconds(newestPoint: number): number | undefined {
    if (newestPoint === 0 || this.#held.current === undefined) return undefined;
    const { hrl, sender } = this.#held.current;
    return Math.max(0, (Date.now() - durableUpTo(newestPoint, hrl.committed(), (id) => sender.isJournaled(id))) / 1000);
  }

  #interval(): number {
    return this.#options.interval ?? 1000 * (this.#wanted?.protection?.pointIntervalSeconds || DEFAULT_INTERVAL);
  }

  /** All disks of the machine, and those that should be there. */
  #knownDisks(): RegisteredDisk[] {
    const { registry } = this.#options;
    const absent = (this.#wanted?.diskIds ?? []).filter((id) => !this.#disks.some((disk) => disk.id === id));
    return [
      ...this.#disks,
      ...absent.map((id): RegisteredDisk => ({ id, path: registry.lastPath(id) ?? `disk ${id}`, kind: 'device', size: 0, key: '' })),
    ];
  }

  async #lookForMissing(capture: MachineCapture): Promise<void> {
    if (capture.missing.size === 0) return;
    const found = await this.#options.findDisks();
    const moved = found.some(
      ({ id, path }) => capture.missing.has(id) && this.#knownDisks().some((disk) => disk.id === id && disk.path !== path),
    );
    if (moved) this.#reopen('a missing disk is there again');
  }

  async #markCopied(): Promise<void> {
    const closed = [...(this.#held.current?.hrl.heads().values() ?? [])].filter(({ open }) => !open);
    await this.#options.registry.mark(
      closed.map(({ diskId }) => diskId),
      'copied',
    );
  }

  /** Remembered as met when every disk is whole: an agent that is killed before begins again, or goes on where it was. */
  #obeyResync({ hrl, memory }: OpenMachine, disks: readonly RegisteredDisk[], resyncId: string): void {
    if (resyncId === '' || memory.current.metResyncs.includes(resyncId)) return;
    const ids = disks.map(({ id }) => id);
    for (const id of this.#resync.due(resyncId, ids, hrl.heads())) this.#restart.set(id, 'somebody asked for it');
  }

  #metResync({ memory }: OpenMachine, resyncId: string): void {
    const { metResyncs } = memory.current;
    if (resyncId === '' || metResyncs.includes(resyncId)) return;
    this.#besides(memory.remember({ metResyncs: withMet(metResyncs, resyncId) }));
  }

  #isPaused(): boolean {
    const heads = this.#held.current?.hrl.heads();
    const copied = this.#options.registry.marked('copied');
    return copiesRest(this.#wanted, {
      isResynchronizing: (this.#capture?.resyncs.size ?? 0) > 0,
      isFirst: (id) => !copied.includes(id) && heads?.get(id)?.open !== false,
    });
  }

  #view(id: string) {
    return {
      capture: this.#capture,
      head: this.#held.current?.hrl.heads().get(id),
      isProtected: this.#wanted?.diskIds.includes(id) === true,
      wasCopied: this.#options.registry.marked('copied').includes(id),
      isFull: this.#isFull,
      isPaused: this.#isPaused(),
      problem: this.#problem,
    };
  }

  #committed({ hrl, sender }: OpenMachine): void {
    sender.wake();
    if (!this.#figures.count(hrl.committed())) return;
    this.#isSkipping = false;
    this.#besides(this.#markCopied());
  }

  /** Work beside the capture: when it fails, what is wrong is told, and nothing else depends on it. */
  #besides(work: Promise<void>): void {
    work.catch((reason: unknown) => {
      const { code, message } = fromSystem(reason, 'the state directory');
      this.#events.warn(code, message);
    });
  }

  #announce({ resyncs, missing, scanned }: MachineCapture): void {
    for (const [id, reason] of resyncs) this.#events.warn('CONTINUITY_LOST', `Disk ${this.#nameOf(id)} is resynchronized: ${reason}`);
    for (const error of missing.values()) this.#events.warn(error.code, error.message);
    const rule = 'it is read and compared, and there are points only while nothing is written to it';
    for (const [id, why] of scanned) this.#events.warn('DEVICE_NOT_TRACEABLE', `Disk ${this.#nameOf(id)} is not traced: ${why}; ${rule}`);
  }

  #nameOf(id: string): string {
    return this.#knownDisks().find((disk) => disk.id === id)?.path ?? id;
  }

  #skipped(reason: Error): void {
    this.#figures.countConflict();
    // A machine that writes that much goes on doing so: once is enough until a point is made again.
    if (!this.#isSkipping) this.#events.warn('CAPTURE_NOT_CONVERGED', `No point: ${reason.message}`);
    this.#isSkipping = true;
  }

  #full(full: boolean): void {
    this.#isFull = full;
    if (full)
      this.#events.warn('NO_SPACE', "The agent's log is full: changes are remembered, no points are made until the vault takes more");
    else this.#events.inform('LOG_HAS_ROOM', "The agent's log has room again: points are made");
  }

  #restartAll(disks: readonly RegisteredDisk[], why: string): void {
    for (const { id } of disks) this.#restart.set(id, why);
  }

  #resyncNeeded(diskId: string, reason: string): void {
    if (this.#restart.has(diskId) || this.#capture === undefined || this.#anew !== undefined) return;
    const why = `the process server asked for it: ${reason.slice(0, 300)}`;
    const isHeld =
      this.#held.current?.hrl.committed().some(({ cut }) => cut.epochs.some((epoch) => idText(epoch.diskId) === diskId)) === true;
    // What cannot be taken can never be freed either, and what other disks have in those cuts is lost with it.
    if (isHeld) this.#anew = why;
    else this.#restart.set(diskId, why);
    this.#events.warn('RESYNCHRONIZATION', `${isHeld ? 'All disks are' : `Disk ${this.#nameOf(diskId)} is`} copied anew: ${why}`);
    this.#reopen('disks are copied anew');
  }

  /** What is held is what the disk was, as far as anybody knows: only the disk begins anew. */
  #diverged(diskId: string, { code, thing, why }: HoldfastError): void {
    if (this.#restart.has(diskId) || this.#capture === undefined || this.#anew !== undefined) return;
    this.#events.warn(code, `Disk ${this.#nameOf(diskId)} is not what its points hold: ${thing}: ${why}`);
    this.#restart.set(diskId, `${thing} differed from the vault`);
    this.#reopen('a disk is resynchronized');
  }

  /** Forgets the log and what was traced; what is in the vault stays, and so does what was remembered of it. */
  async #beginAnew(): Promise<void> {
    await this.#forget(() => this.#held.forget());
    const isOften = this.#begunAnew !== undefined && performance.now() - this.#begunAnew < STEADY;
    this.#begunAnew = performance.now();
    if (isOften) await this.#changed.wait(this.#stopping.signal, LONGEST_WAIT);
  }

  #senderChanged({ state, server, problem }: SenderStatus): void {
    if (state === 'connected') this.#events.inform('SERVER_CONNECTED', `Sending to process server ${server}`);
    if (state === 'connecting' || problem?.message === this.#toldOfSender) return;
    if (problem !== undefined) this.#events.warn(problem.code, problem.message);
    this.#toldOfSender = problem?.message;
  }

  #failed(reason: unknown): void {
    const error = fromSystem(reason, 'the capture', 'INTERNAL');
    if (error.code === 'INTERRUPTED') return;
    // The same again and again is said once.
    if (this.#problem?.text !== error.message) this.#events.warn(error.code, error.message);
    this.#problem = { code: error.code, text: error.message };
  }
}

/** Begins to work once a desired state is applied. */
export const createEngine = (options: EngineOptions): Engine => new ProtectingEngine(options);
