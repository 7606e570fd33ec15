// Longer than others: one machine's way from the journal into its log, through every refusal and back, is one state and has to be read as one.
import type { Log } from '@holdfast/daemon';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { type Cut, type CutContent, idText, type LogAnchor } from '@holdfast/protocol';
import { type Anchor, type LogWriter, openLogWriter, readMachine, registerMachine, type Vault } from '@holdfast/vault';
import type { Events } from '../control/events.ts';
import type { JournaledCut } from '../journal/journal.ts';
import type { Anchors } from './anchors.ts';
import { createDurableIds } from './durable-ids.ts';
import { interrupted } from './interrupted.ts';
import { isIdle } from './is-idle.ts';
import type { EpochPosition, Fence, Standing, Uploader, UploadListener, UploadState } from './uploader.ts';

export interface UploaderOptions {
  readonly machineId: string;
  readonly machineName: string;
  /** The term to take is above this one. */
  readonly seenTerm: number;
  /** Cuts of the time before this start, oldest first. */
  readonly recovered: readonly JournaledCut[];
  vault(): Promise<Vault>;
  readonly anchors: Anchors;
  readonly events: Events;
  readonly log: Log;
  /** Least milliseconds from one object that is not full to the next: what comes meanwhile is gathered. */
  readonly sealInterval: number;
  /** Milliseconds cuts without any change are gathered, as long as there are no others. */
  readonly idleInterval: number;
  readonly segmentSize: number;
  readonly inFlight: number;
  /** Milliseconds between attempts to have the vault, at most. */
  readonly longestPause: number;
  /** A cut of so many bytes of the journal became durable. It leaves the journal when the promise resolves. */
  onDurable(cut: CutContent, bytes: number): Promise<void>;
}

/*
 * waiting   in the journal only
 * appended  given to the log writer
 */
interface Entry {
  readonly cut: JournaledCut;
  /** The same while the log writer has it, its message kept. */
  content: CutContent | undefined;
  /** Of the time before this start: its agent may still hold it and does not know that it is gone when it goes. */
  readonly recovered: boolean;
  state: 'waiting' | 'appended';
  /** Times the vault refused it. */
  refusals: number;
  /** Milliseconds it may wait for others. */
  patience: number;
  /** When it came, by performance.now(). */
  readonly since: number;
}

/** Milliseconds before the second attempt to have the vault; doubled with each that follows. */
const FIRST_PAUSE = 1000;
/** Codes by which the vault refuses a cut, not us. */
const REFUSALS: ReadonlySet<string> = new Set(['DAMAGED', 'PROTOCOL_VIOLATION', 'EPOCH_CONFLICT']);
/** How often a cut is offered before a refusal is believed to be about the cut. */
const ATTEMPTS = 2;

const pointTime = ({ point }: Cut): number => Number((point?.instant?.unixNanos ?? 0n) / 1_000_000n);

/** A piece of a copy: its disk has no state yet. */
const isPiece = ({ epochs }: Cut): boolean => epochs.some(({ open }) => open);

class MachineUploader implements Uploader {
  readonly machineId: string;
  readonly #options: UploaderOptions;
  /** By cut id, in order. */
  readonly #entries = new Map<string, Entry>();
  readonly #durable = createDurableIds();
  #writer: LogWriter | undefined;
  /** Of the vault that was opened last. */
  #vaultId = '';
  #listener: UploadListener | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #seenTerm: number;
  #newestPoint = 0;
  #problem: HoldfastError | undefined;
  #fence: Fence | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  /** Bytes in the journal of what waits. */
  #waitingBytes = 0;
  /** When what waits is given to the writer, by performance.now(). */
  #seal: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined;
  /** When it was given something that fills no object, by performance.now(). */
  #lastSmall = Number.NEGATIVE_INFINITY;
  /** The last cut was a piece of a copy: the next that is none is the first point of what was copied, or compared, and does not wait. */
  #afterPiece = false;
  #closed = false;

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.machineId = options.machineId;
    this.#seenTerm = options.seenTerm;
    for (const cut of options.recovered)
      this.#entries.set(cut.cutId, {
        cut,
        content: undefined,
        recovered: true,
        state: 'waiting',
        refusals: 0,
        patience: options.sealInterval,
        since: performance.now(),
      });
    if (this.#entries.size > 0) this.#openSoon(0);
  }

  get state(): UploadState {
    let pendingBytes = 0;
    let uploadingBytes = 0;
    let backlog = 0;
    const now = performance.now();
    for (const { cut, state, since, patience } of this.#entries.values()) {
      pendingBytes += cut.bytes;
      if (state === 'appended') uploadingBytes += cut.bytes;
      backlog = Math.max(backlog, now - since - patience);
    }
    return {
      term: this.#writer?.term ?? 0,
      head: this.#writer?.head ?? this.#options.anchors.of(this.machineId),
      pendingBytes,
      uploadingBytes,
      backlog,
      pendingCuts: this.#entries.size,
      newestPoint: this.#newestPoint,
      problem: this.#problem,
      fence: this.#fence,
    };
  }

  open({ term, anchor }: { readonly term: number; readonly anchor: LogAnchor | undefined }): Promise<Standing> {
    const seen = anchor && { sequence: Number(anchor.sequence), tag: Buffer.from(anchor.tag).toString('hex'), term: Number(anchor.term) };
    return this.#inTurn(async () => {
      this.#seenTerm = Math.max(this.#seenTerm, term);
      if (this.#writer !== undefined && (this.#writer.term < term || !this.#durable.holds(seen))) this.#letGo();
      this.#writer ??= await this.#open(seen);
      this.#pump();
      return this.#standing(this.#writer);
    });
  }

  isDurable(cutId: string): boolean {
    return this.#durable.has(cutId);
  }

  isKnown(cutId: string): boolean {
    return this.#entries.has(cutId) || this.#durable.has(cutId);
  }

  pending(): readonly string[] {
    return [...this.#entries.keys()];
  }

  isPending(diskId: string, { generationId, number }: EpochPosition): boolean {
    const isOf = (epoch: Cut['epochs'][number]): boolean =>
      Number(epoch.number) === number && idText(epoch.diskId) === diskId && idText(epoch.generationId) === generationId;
    return [...this.#entries.values()].some(({ cut }) => cut.cut.epochs.some(isOf));
  }

  submit(journaled: JournaledCut, { awaited = false, cut = journaled.cut }: { readonly awaited?: boolean; readonly cut?: Cut } = {}): void {
    const { sealInterval, idleInterval } = this.#options;
    const isFirst = this.#afterPiece && !isPiece(cut);
    const waits = !awaited && !isFirst && isIdle(cut);
    this.#afterPiece = isPiece(cut);
    // From the first point on a machine can be recovered: that waits for nothing.
    const patience = isFirst ? 0 : waits ? Math.max(sealInterval, idleInterval) : sealInterval;
    const since = performance.now();
    const entry: Entry = { cut: journaled, content: undefined, recovered: false, state: 'waiting', refusals: 0, patience, since };
    this.#entries.set(journaled.cutId, entry);
    this.#waitingBytes += journaled.bytes;
    // One more that waits for what is waited for already.
    const isInTime = this.#seal !== undefined && patience > sealInterval && this.#seal.at <= since + patience;
    if (!isInTime || this.#waitingBytes >= this.#options.segmentSize) this.#pump();
  }

  hurry(): void {
    const { sealInterval } = this.#options;
    for (const entry of this.#entries.values()) entry.patience = Math.min(entry.patience, sealInterval);
    this.#pump();
  }

  listen(listener: UploadListener | undefined): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#unseal();
    this.#listener = undefined;
    this.#letGo();
    await this.#turn;
  }

  forget(): void {
    for (const { cut } of this.#entries.values()) cut.release();
    this.#entries.clear();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#closed) throw interrupted(`machine ${this.machineId}`, 'this process server lets go of it');
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #standing(writer: LogWriter): Standing {
    const { term, heads } = writer;
    const accepted = new Map<string, EpochPosition>(heads);
    for (const { cut } of this.#entries.values())
      for (const { diskId, generationId, number } of cut.cut.epochs)
        accepted.set(idText(diskId), { generationId: idText(generationId), number: Number(number) });
    return { term, durable: heads, accepted, log: writer.epochs() };
  }

  async #open(anchor: Anchor | undefined): Promise<LogWriter> {
    const { machineId, machineName, anchors, segmentSize, inFlight, log } = this.#options;
    clearTimeout(this.#retry);
    try {
      const vault = await this.#options.vault();
      this.#vaultId = vault.id;
      const own = anchors.of(machineId, vault.id);
      const newest = own !== undefined && own.sequence > (anchor?.sequence ?? -1) ? own : anchor;
      await registerMachine(vault, { id: machineId, name: machineName });
      const writer = await openLogWriter(vault, machineId, {
        seenTerm: this.#seenTerm,
        segmentSize,
        inFlight,
        ...(newest && { anchor: newest }),
        onCut: (cut) => {
          this.#durable.add(idText(cut.id));
          this.#newestPoint = Math.max(this.#newestPoint, pointTime(cut));
        },
      });
      if (this.#closed) {
        await writer.close();
        throw interrupted(`machine ${machineId}`, 'this process server lets go of it');
      }
      log.info('Took the term of a machine', { machine: machineId, term: writer.term, slot: writer.head.sequence });
      this.#durable.reached(writer.head);
      if (anchor !== undefined) this.#durable.reached(anchor);
      this.#fence = undefined;
      this.#setProblem(undefined);
      this.#pause = FIRST_PAUSE;
      return writer;
    } catch (reason) {
      const error = fromSystem(reason, `machine ${machineId}`);
      this.#setProblem(error);
      if (error.code === 'FENCED') await this.#noteFence(error);
      else if (this.#entries.size > 0 && !this.#closed) this.#openSoon(this.#nextPause());
      throw error;
    }
  }

  #openSoon(pause: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.open({ term: 0, anchor: undefined }).catch(() => undefined);
    }, pause);
    this.#retry.unref();
  }

  #nextPause(): number {
    const pause = this.#pause;
    this.#pause = Math.min(2 * pause, this.#options.longestPause);
    return pause * (0.5 + Math.random() / 2);
  }

  /** Gives what waits to the writer: at once when it fills an object, or the last one that was not full is long ago. */
  #pump(due = false): void {
    const writer = this.#writer;
    if (writer === undefined || this.#closed) return;
    const waiting = [...this.#entries.values()].filter(({ state }) => state === 'waiting');
    if (waiting.length === 0) return;
    const bytes = waiting.reduce((sum, { cut }) => sum + cut.bytes, 0);
    this.#waitingBytes = bytes;
    // There may be more of them than a call takes arguments: a vault was away for days.
    const patience = waiting.reduce((least, entry) => Math.min(least, entry.patience), Number.POSITIVE_INFINITY);
    const { sealInterval, segmentSize } = this.#options;
    const now = performance.now();
    // Who changes now and then does not wait for others that do not come; what is idle can wait.
    const at = patience > sealInterval ? now + patience : this.#lastSmall + patience;
    if (!due && at > now && bytes < segmentSize) {
      if (this.#seal !== undefined && this.#seal.at <= at) return;
      clearTimeout(this.#seal?.timer);
      const timer = setTimeout(() => {
        this.#seal = undefined;
        this.#pump(true);
      }, at - now);
      this.#seal = { timer, at };
      return;
    }
    this.#unseal();
    if (bytes < segmentSize) this.#lastSmall = now;
    this.#waitingBytes = 0;
    for (const entry of waiting) this.#append(writer, entry);
  }

  #unseal(): void {
    clearTimeout(this.#seal?.timer);
    this.#seal = undefined;
  }

  #append(writer: LogWriter, entry: Entry): void {
    const { cut } = entry;
    entry.state = 'appended';
    entry.content = { cut: cut.cut, verified: cut.verified === true, frames: (index) => cut.frames(index) };
    writer.append(entry.content).then(
      (anchor) => this.#settle(entry, anchor),
      (reason: unknown) => this.#failed(writer, entry, reason),
    );
  }

  #settle(entry: Entry, anchor: Anchor): void {
    const { cut, content = cut } = entry;
    if (this.#entries.get(cut.cutId) !== entry) return;
    this.#entries.delete(cut.cutId);
    this.#durable.add(cut.cutId);
    this.#durable.reached(anchor);
    this.#newestPoint = Math.max(this.#newestPoint, pointTime(content.cut));
    this.#options.anchors.set(this.machineId, this.#vaultId, anchor);
    this.#listener?.onDurable(cut, anchor);
    void this.#options.onDurable(content, cut.bytes).finally(() => cut.release());
  }

  /** Whatever failed, the writer goes and another is opened, which finds out what became durable. */
  #failed(writer: LogWriter, entry: Entry, reason: unknown): void {
    if (writer !== this.#writer || this.#closed) return;
    this.#letGo();
    const error = fromSystem(reason, `machine ${this.machineId}`);
    if (error.code === 'FENCED') {
      this.#setProblem(error);
      void this.#inTurn(() => this.#noteFence(error)).catch(() => undefined);
      return;
    }
    if (entry.cut.damage !== undefined || REFUSALS.has(error.code)) {
      entry.refusals += 1;
      if (entry.cut.damage !== undefined || entry.refusals >= ATTEMPTS) this.#giveUp(entry, error);
      this.#openSoon(0);
      return;
    }
    this.#setProblem(error);
    this.#openSoon(this.#nextPause());
  }

  /** The cut and those behind it, which rest on it, leave the journal. Their agent still holds them. */
  #giveUp(refused: Entry, reason: HoldfastError): void {
    const { log, events } = this.#options;
    const all = [...this.#entries.values()];
    const gone = all.slice(all.indexOf(refused));
    for (const { cut } of gone) {
      this.#entries.delete(cut.cutId);
      cut.release();
    }
    log.error('Cuts are given up', { machine: this.machineId, cut: refused.cut.cutId, cuts: gone.length, error: reason });
    events.add(reason.code, `machine ${this.#options.machineName}: cut ${refused.cut.cutId}: ${reason.thing}: ${reason.why}`);
    if (refused.recovered || refused.cut.damage !== undefined) this.#listener?.onLost(reason);
    else this.#listener?.onRefused(refused.cut, reason);
  }

  async #noteFence(error: HoldfastError): Promise<void> {
    const { machineId, machineName, events, log } = this.#options;
    let operationId: string | undefined;
    let term = this.#seenTerm;
    try {
      const history = await readMachine(await this.#options.vault(), machineId);
      operationId = history.failedOver?.operationId;
      term = Math.max(term, history.head.term);
    } catch (reason) {
      log.warn('The log cannot be read to see who took it over', { machine: machineId, error: reason });
    }
    this.#fence = { term, reason: error.why, ...(operationId !== undefined && { operationId }) };
    log.warn('Another writer has the machine', { machine: machineId, error });
    events.add('FENCED', `machine ${machineName}: ${error.why}`);
    this.#listener?.onFenced(this.#fence);
  }

  #letGo(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#unseal();
    for (const entry of this.#entries.values()) Object.assign(entry, { state: 'waiting', content: undefined });
    writer?.close().catch(() => undefined);
  }

  #setProblem(problem: HoldfastError | undefined): void {
    const { machineName, machineId, events, log } = this.#options;
    if (problem !== undefined && problem.message !== this.#problem?.message) {
      log.warn('Cuts of a machine do not become durable', { machine: machineId, error: problem });
      if (problem.code !== 'INTERRUPTED') events.add(problem.code, `machine ${machineName}: ${problem.thing}: ${problem.why}`);
    }
    this.#problem = problem;
  }
}

export const createUploader = (options: UploaderOptions): Uploader => new MachineUploader(options);
