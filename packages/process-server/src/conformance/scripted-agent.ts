import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import {
  type CutContent,
  idBytes,
  idText,
  type LogAnchor,
  type Opened,
  type PartialCut,
  ReplicateRequestSchema,
  type ReplicateResponse,
  type ReplicationStream,
} from '@holdfast/protocol';

/** What an agent does with its process server, without a disk or a log: cuts are handed to it and held in memory until they are durable. */
export interface ScriptedAgent {
  /** Cuts not durable, oldest first. */
  readonly held: ReadonlyMap<string, CutContent>;
  /** Ids of cuts that it was told are durable: when they became so, or when a stream opened. */
  readonly durable: ReadonlySet<string>;
  /** The newest head of the log that came with them. */
  readonly anchor: LogAnchor | undefined;
  readonly journaled: ReadonlySet<string>;
  /** How the last stream opened. */
  readonly opened: Opened | undefined;
  /** Everything that ended a stream, and every message but credit, in order. */
  readonly said: readonly string[];
  readonly errors: readonly HoldfastError[];
  readonly pace: number;
  readonly resyncs: readonly string[];
  add(content: CutContent): void;
  /** Resolves when `condition` holds; looks whenever something happens. */
  until(condition: () => boolean): Promise<void>;
  /** Does not hold a cut any more, durable or not. */
  drop(cutId: string): void;
  /** Ends the stream at once, as a broken network does; the agent connects again. */
  cut(): void;
  stop(): Promise<void>;
}

export interface ScriptedAgentOptions {
  readonly machineId: string;
  connect(): Promise<ReplicationStream>;
  /** Milliseconds between attempts. */
  readonly pause?: number;
  readonly seenTerm?: bigint;
  readonly anchor?: LogAnchor;
  readonly protocolVersion?: number;
}

type Request = NonNullable<MessageInitShape<typeof ReplicateRequestSchema>['message']>;

const MESSAGE = 1024 * 1024;
/** Cuts without frames are one message from here on. */
const BRIEF_SINCE = 3;
const request = (message: Request) => create(ReplicateRequestSchema, { message });

/** Starts one; it connects, and connects again, until it is stopped. */
export const startScriptedAgent = (options: ScriptedAgentOptions): ScriptedAgent => {
  const held = new Map<string, CutContent>();
  const durable = new Set<string>();
  const journaled = new Set<string>();
  const said: string[] = [];
  const errors: HoldfastError[] = [];
  const resyncs: string[] = [];
  let opened: Opened | undefined;
  let seenTerm = options.seenTerm ?? 0n;
  let anchor = options.anchor;
  let credit = 0;
  let pace = 0;
  let stream: ReplicationStream | undefined;
  let stopped = false;
  const stopping = new AbortController();
  let notice = Promise.withResolvers<void>();
  const happened = (): void => {
    notice.resolve();
    notice = Promise.withResolvers<void>();
  };

  const free = (cutId: string, at: LogAnchor | undefined): void => {
    held.delete(cutId);
    journaled.delete(cutId);
    durable.add(cutId);
    // What opens a stream tells of cuts alone.
    anchor = at ?? anchor;
  };

  const take = ({ message }: ReplicateResponse): void => {
    if (message.case !== 'credit') said.push(message.case ?? 'nothing');
    if (message.case === 'credit') credit += Number(message.value.bytes);
    else if (message.case === 'journaled')
      for (const id of [...message.value.earlierCutIds, message.value.cutId]) journaled.add(idText(id));
    else if (message.case === 'durable')
      for (const id of [...message.value.earlierCutIds, message.value.cutId]) free(idText(id), message.value.anchor);
    else if (message.case === 'pace') pace = Number(message.value.bytesPerSecond);
    else if (message.case === 'resyncNeeded') resyncs.push(message.value.reason);
    happened();
  };

  const sendCut = async (
    to: ReplicationStream,
    content: CutContent,
    partial: PartialCut | undefined,
    over: () => boolean,
  ): Promise<void> => {
    const { cut } = content;
    if ((opened?.protocolVersion ?? 1) < BRIEF_SINCE || cut.epochs.some(({ frameCount }) => frameCount > 0n)) {
      const epochs = cut.epochs.map(({ diskId, generationId, number }) => ({ diskId, generationId, number }));
      await to.send(request({ case: 'cutBegin', value: { cutId: cut.id, epochs } }));
    }
    for (const index of cut.epochs.keys()) {
      const skip = Number(partial?.frames[index] ?? 0n);
      let first = skip;
      let batch: Uint8Array[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        if (batch.length === 0) return;
        const frames = batch;
        batch = [];
        credit -= bytes;
        bytes = 0;
        const at = first;
        first += frames.length;
        await to.sendFrames(index, at, frames);
      };
      let number = 0;
      for await (const frame of content.frames(index)) {
        number += 1;
        if (number <= skip) continue;
        const size = 4 + frame.length;
        if (bytes + size > Math.min(MESSAGE, credit)) await flush();
        while (credit < size && !over()) await notice.promise;
        if (over()) return;
        batch.push(frame);
        bytes += size;
      }
      await flush();
    }
    await to.send(request({ case: 'cutEnd', value: { cut } }));
  };

  const session = async (): Promise<void> => {
    const own = await options.connect();
    stream = own;
    if (stopped) {
      own.abort(fromSystem(new Error('the agent stops'), 'the stream', 'CONNECTION_LOST'));
      return;
    }
    const messages = own[Symbol.asyncIterator]();
    const heldCutIds = [...held.keys()].map(idBytes);
    const { protocolVersion = 4, machineId } = options;
    await own.send(
      request({
        case: 'open',
        value: {
          machineId: idBytes(machineId),
          agentVersion: 'scripted',
          protocolVersion,
          seenTerm,
          heldCutIds,
          ...(anchor && { anchor }),
        },
      }),
    );
    const first = await messages.next();
    if (first.done === true || first.value.message.case !== 'opened') {
      if (first.done !== true) take(first.value);
      throw new Error('the stream did not open');
    }
    opened = first.value.message.value;
    if (opened.term < seenTerm) throw new Error(`term ${opened.term} is below ${seenTerm}`);
    seenTerm = opened.term;
    credit = Number(opened.credit);
    journaled.clear();
    for (const id of opened.durableCutIds) free(idText(id), undefined);
    for (const id of opened.journaledCutIds) journaled.add(idText(id));
    said.push('opened');
    happened();

    const sent = new Set<string>();
    let failed = false;
    const over = (): boolean => failed || stopped || own.closed.aborted;
    const sending = (async () => {
      let partial = opened?.partial;
      while (!over()) {
        const next = [...held].find(([id]) => !sent.has(id) && !journaled.has(id));
        if (next === undefined) {
          await notice.promise;
          continue;
        }
        const [id, content] = next;
        sent.add(id);
        const beginning = partial !== undefined && idText(partial.cutId) === id ? partial : undefined;
        partial = undefined;
        await sendCut(own, content, beginning, over);
      }
    })();
    sending.catch(() => undefined);
    try {
      for (let next = await messages.next(); next.done !== true; next = await messages.next()) take(next.value);
    } finally {
      failed = true;
      happened();
      await sending.catch(() => undefined);
    }
  };

  const running = (async () => {
    while (!stopped) {
      try {
        await session();
        said.push('ended');
      } catch (reason) {
        const error = fromSystem(reason, 'the stream', 'INTERNAL');
        errors.push(error);
        said.push(error.code);
      }
      happened();
      await sleep(options.pause ?? 100, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    held,
    durable,
    journaled,
    said,
    errors,
    resyncs,
    get anchor() {
      return anchor;
    },
    get opened() {
      return opened;
    },
    get pace() {
      return pace;
    },
    add(content) {
      held.set(idText(content.cut.id), content);
      happened();
    },
    async until(condition) {
      while (!condition()) await notice.promise;
    },
    drop: (cutId) => void held.delete(cutId),
    cut() {
      stream?.abort(fromSystem(new Error('the network broke'), 'the stream', 'CONNECTION_LOST'));
    },
    async stop() {
      stopped = true;
      stopping.abort();
      happened();
      stream?.abort(fromSystem(new Error('the agent stops'), 'the stream', 'CONNECTION_LOST'));
      await running;
    },
  };
};
