import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { CutContent, ReplicationStream } from '@holdfast/protocol';
import type { Hrl } from '../hrl/hrl.ts';
import { type Allowance, createAllowance } from './allowance.ts';
import { createDigestQueries, type DigestReply, type DigestRequest } from './digest-queries.ts';
import { createHeldCuts, type HeldCuts } from './held-cuts.ts';
import { createNotice } from './notice.ts';
import { replicate } from './replicate.ts';
import type { SenderMemory } from './sender-memory.ts';

/** Waits of a sender that does not come through, in milliseconds. */
export interface SenderWaits {
  /** After the first failure of all servers, doubled with each that follows, */
  readonly first: number;
  /** up to this. */
  readonly longest: number;
  /** After an answer that only people can change: fenced, revoked, not assigned. */
  readonly refused: number;
}

export interface SenderOptions {
  /** 32 hexadecimal digits. */
  readonly machineId: string;
  /** Version of the agent. */
  readonly version: string;
  readonly log: Pick<Hrl, 'committed' | 'free' | 'heads'>;
  readonly memory: SenderMemory;
  /** Process servers to try, in order, "host:port". */
  readonly servers: readonly string[];
  connect(address: string): Promise<ReplicationStream>;
  /** Somebody waits until this cut is durable; nobody unless told. */
  isAwaited?(cutId: string): boolean;
  /** Bytes a second that may be sent at the moment; 0: no limit. Asked again and again. */
  limit?(): number;
  /** Told of each cut, in order, once it is durable and freed. */
  onDurable(content: CutContent): void;
  /** The server wants a disk from the beginning. */
  onResyncNeeded(diskId: string, reason: string): void;
  /** Told of every change of `status.state` and of every new problem. */
  onChange(status: SenderStatus): void;
  readonly waits?: SenderWaits;
  /** 0 to 1, for the jitter of waits. */
  random?(): number;
}

export interface SenderStatus {
  /** `fenced`: another writer has the machine's log, or the machine is failed over; asked again now and then. */
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'refused' | 'fenced';
  /** The server of the stream, or the last one tried. */
  readonly server: string | undefined;
  /** Why there is no stream. */
  readonly problem: HoldfastError | undefined;
  /** Milliseconds since there was a stream, or other servers were told; 0 while there is one, or only people can help. */
  readonly without: number;
  /** Bytes of payload handed to the transport since the start. */
  readonly sentBytes: number;
  /** Bytes that may be sent before the server grants more, and what it asks to stay below (0: nothing). */
  readonly credit: number;
  readonly pace: number;
}

/**
 * Carries the committed cuts of one machine, in order, to a process server, through every break, and frees each only when it is told that
 * the vault has it. Rules: docs/protocol.md, "The replication stream".
 */
export interface Sender {
  readonly status: SenderStatus;
  /** Cuts the server has on its disk though not in the vault, as far as the present stream tells. */
  isJournaled(cutId: string): boolean;
  /** What the vault holds; see `DigestQueries.ask`. */
  askDigests(request: DigestRequest, signal: AbortSignal): Promise<DigestReply>;
  /** Something was committed. */
  wake(): void;
  /** Other servers from now on; a stream to one that is not among them ends. */
  useServers(servers: readonly string[]): void;
  /** Ends the stream and tries no more. Everything not freed stays in the log. */
  stop(): Promise<void>;
}

const DEFAULT_WAITS: SenderWaits = { first: 500, longest: 30_000, refused: 60_000 };

class ReplicatingSender implements Sender {
  readonly #options: SenderOptions;
  readonly #held: HeldCuts;
  readonly #journaled = new Set<string>();
  readonly #queries = createDigestQueries();
  readonly #committed = createNotice();
  /** Given when waiting longer makes no sense. */
  readonly #news = createNotice();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #servers: readonly string[];
  /** Ends the present stream. */
  #stream: AbortController | undefined;
  #allowance: Allowance;
  #state: SenderStatus['state'] = 'idle';
  #server: string | undefined;
  #problem: HoldfastError | undefined;
  /** By performance.now(): since when there is no stream; undefined while there is one. */
  #since: number | undefined = performance.now();
  #sentBytes = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#servers = options.servers;
    this.#allowance = createAllowance(options.limit);
    this.#held = createHeldCuts(options);
    this.#running = this.#run();
  }

  get status(): SenderStatus {
    const { credit, pace } = this.#allowance;
    return {
      state: this.#state,
      server: this.#server,
      problem: this.#problem,
      without: this.#since === undefined || !this.#isHopeful() ? 0 : performance.now() - this.#since,
      sentBytes: this.#sentBytes,
      credit,
      pace,
    };
  }

  isJournaled(cutId: string): boolean {
    return this.#journaled.has(cutId);
  }

  askDigests(request: DigestRequest, signal: AbortSignal): Promise<DigestReply> {
    return this.#queries.ask(request, AbortSignal.any([signal, this.#stopping.signal]));
  }

  wake(): void {
    this.#committed.give();
  }

  useServers(servers: readonly string[]): void {
    if (servers.join() === this.#servers.join()) return;
    this.#servers = servers;
    if (this.#since !== undefined) this.#since = performance.now();
    if (this.#server !== undefined && !servers.includes(this.#server))
      this.#stream?.abort(interrupted('the machine has another process server'));
    this.#news.give();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(interrupted('the agent stops sending'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { waits = DEFAULT_WAITS, random = Math.random } = this.#options;
    const { signal } = this.#stopping;
    let wait = waits.first;
    while (!signal.aborted) {
      const outcome = await this.#tryAll();
      if (signal.aborted) break;
      if (outcome === 'opened') wait = waits.first;
      const longest = outcome === 'refused' ? waits.refused : wait;
      if (outcome === 'failed') wait = Math.min(waits.longest, wait * 2);
      await this.#news.wait(signal, longest * (0.5 + random() / 2));
    }
    this.#change('idle', undefined);
  }

  /** Goes through the servers until one had a stream for a while. */
  async #tryAll(): Promise<'opened' | 'failed' | 'refused'> {
    let refused = this.#servers.length > 0;
    for (const address of this.#servers) {
      const { opened, error } = await this.#try(address);
      if (this.#stopping.signal.aborted) break;
      const isFenced = error.code === 'FENCED';
      const isFinal = !error.retryable && error.code !== 'INTERRUPTED';
      this.#change(isFenced ? 'fenced' : isFinal ? 'refused' : 'waiting', error);
      refused &&= isFinal;
      if (opened && !isFinal) return 'opened';
    }
    if (this.#servers.length === 0) this.#change('idle', undefined);
    return refused ? 'refused' : 'failed';
  }

  async #try(address: string): Promise<{ readonly opened: boolean; readonly error: HoldfastError }> {
    this.#server = address;
    this.#change('connecting', this.#problem);
    this.#allowance = createAllowance(this.#options.limit);
    this.#journaled.clear();
    this.#stream = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, this.#stream.signal]);
    let opened = false;
    try {
      const stream = await this.#options.connect(address);
      return await replicate(stream, {
        ...this.#options,
        held: this.#held,
        allowance: this.#allowance,
        committed: this.#committed,
        journaled: this.#journaled,
        queries: this.#queries,
        signal,
        onOpened: () => {
          opened = true;
          this.#since = undefined;
          this.#change('connected', undefined);
        },
        onSent: (bytes) => {
          this.#sentBytes += bytes;
        },
      });
    } catch (reason) {
      return { opened, error: fromSystem(reason, `process server ${address}`, 'INTERNAL') };
    } finally {
      this.#journaled.clear();
      this.#stream = undefined;
      this.#since ??= performance.now();
    }
  }

  /** Another server, or this one later, may take what is sent; a refusal that is final comes from the vault or from people. */
  #isHopeful(): boolean {
    return this.#servers.length > 0 && (this.#problem === undefined || this.#problem.retryable || this.#problem.code === 'INTERRUPTED');
  }

  #change(state: SenderStatus['state'], problem: HoldfastError | undefined): void {
    const isNew = state !== this.#state || problem?.message !== this.#problem?.message;
    this.#state = state;
    this.#problem = problem;
    if (isNew) this.#options.onChange(this.status);
  }
}

const interrupted = (why: string): HoldfastError =>
  new HoldfastError('INTERRUPTED', { thing: 'the replication stream', why, remedy: 'nothing is to be done' });

/** Starts sending at once. */
export const createSender = (options: SenderOptions): Sender => new ReplicatingSender(options);
