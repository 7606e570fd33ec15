import { HoldfastError } from '@holdfast/errors';
import { type Child, type ChildEnd, startChild } from '../host/child.ts';
import { cpuSecondsOf } from '../host/processes.ts';
import type { AgentDurable, AgentMessage, AgentOrder, AgentSettings } from './messages.ts';

/** What the supervisor knows of the agent, over all lives of its process. */
export interface AgentFigures {
  /** Bytes of the disks and bytes of frames, of cuts after the first copy. */
  readonly changed: number;
  readonly sent: number;
  /** Durable points, in order; instants by CLOCK_MONOTONIC in nanoseconds. */
  readonly points: readonly { readonly id: string; readonly instant: bigint }[];
  /** Why there was no point at a tick, one entry each time. */
  readonly skipped: readonly string[];
  readonly kills: number;
  /** Disks that could not go on where they were, in words. */
  readonly resyncs: readonly string[];
  readonly cpuSeconds: number;
  /** The copy, in bytes; undefined until it began. */
  readonly copying: { readonly done: number; readonly total: number } | undefined;
}

export interface Agent {
  readonly figures: AgentFigures;
  /** Starts the process, again after a kill; resolves when it is attached to its disks. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  pointNow(): void;
  /** Lets it finish; resolves when it is gone. */
  stop(): Promise<void>;
  /** To be called every second or so: the CPU time of a process that may be killed any moment. */
  sample(): void;
  /** Rejects when the process ends unasked; never resolves. */
  readonly failure: Promise<never>;
}

export interface AgentOptions {
  readonly settings: AgentSettings;
  onStart(pid: number): void;
}

const SCRIPT = new URL('./main.ts', import.meta.url);

class AgentImpl implements Agent {
  readonly failure: Promise<never>;
  readonly #options: AgentOptions;
  #child: Child<AgentOrder> | undefined;
  #expectedEnd = false;
  #error: HoldfastError | undefined;
  #fail: (reason: unknown) => void = () => undefined;
  #attached: () => void = () => undefined;
  readonly #points: { id: string; instant: bigint }[] = [];
  readonly #resyncs: string[] = [];
  readonly #skipped: string[] = [];
  readonly #sums = { changed: 0, sent: 0, kills: 0, earlierCpu: 0, cpu: 0 };
  #copying: { done: number; total: number } | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => undefined);
  }

  get figures(): AgentFigures {
    const { changed, sent, kills, earlierCpu, cpu } = this.#sums;
    const cpuSeconds = earlierCpu + cpu;
    return {
      changed,
      sent,
      kills,
      cpuSeconds,
      points: this.#points,
      skipped: this.#skipped,
      resyncs: this.#resyncs,
      copying: this.#copying,
    };
  }

  async start(): Promise<void> {
    this.#expectedEnd = false;
    const attached = new Promise<void>((resolve) => {
      this.#attached = resolve;
    });
    const { settings, onStart } = this.#options;
    this.#child = startChild<AgentMessage, AgentOrder>({ script: SCRIPT, settings, onStart, onMessage: (message) => this.#take(message) });
    void this.#child.ended.then((end) => this.#ended(end));
    await Promise.race([attached, this.failure]);
  }

  async kill(): Promise<void> {
    this.sample();
    this.#expectedEnd = true;
    this.#sums.kills += 1;
    this.#child?.kill();
    await this.#child?.ended;
  }

  pointNow(): void {
    this.#child?.tell({ type: 'point' });
  }

  async stop(): Promise<void> {
    this.#expectedEnd = true;
    this.#child?.tell({ type: 'stop' });
    await this.#child?.ended;
    if (this.#error !== undefined) throw this.#error;
  }

  sample(): void {
    if (this.#child !== undefined) this.#sums.cpu = cpuSecondsOf(this.#child.pid) ?? this.#sums.cpu;
  }

  #take(message: AgentMessage): void {
    switch (message.type) {
      case 'attached':
        this.#resyncs.push(...message.resyncs);
        this.#attached();
        break;
      case 'copying':
        this.#copying = { done: message.done, total: message.total };
        break;
      case 'durable':
        this.#durable(message);
        break;
      case 'skipped':
        this.#skipped.push(message.why);
        break;
      case 'failed':
        this.#error = new HoldfastError(message.error.code, message.error);
        break;
    }
  }

  #durable({ piece, changed, sent, point }: AgentDurable): void {
    // The cut that closes the first copy is part of the copy.
    if (!piece && this.#points.length > 0) {
      this.#sums.changed += changed;
      this.#sums.sent += sent;
    }
    if (point !== undefined) this.#points.push({ id: point.id, instant: BigInt(point.instant) });
  }

  #ended({ status, signal, words }: ChildEnd): void {
    this.#sums.earlierCpu += this.#sums.cpu;
    this.#sums.cpu = 0;
    if (this.#expectedEnd && (this.#error === undefined || signal === 'SIGKILL')) return;
    this.#fail(
      this.#error ??
        new HoldfastError('IO_FAILED', {
          thing: "the agent's process",
          why: `it ended unasked with ${signal ?? `status ${status}`}${words === '' ? '' : `: ${words}`}`,
          remedy: 'look at its words; report them if they tell you nothing',
        }),
    );
  }
}

export const createAgent = (options: AgentOptions): Agent => new AgentImpl(options);
