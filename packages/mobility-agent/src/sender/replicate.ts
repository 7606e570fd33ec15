import { fromSystem, HoldfastError } from '@holdfast/errors';
import {
  type Fenced,
  idBytes,
  idText,
  type Opened,
  type PartialCut,
  type ReplicateResponse,
  type ReplicationStream,
} from '@holdfast/protocol';
import type { Allowance } from './allowance.ts';
import type { DigestQueries } from './digest-queries.ts';
import { type HeldCuts, rolledBack } from './held-cuts.ts';
import { heldIds } from './held-ids.ts';
import type { Notice } from './notice.ts';
import { request, sendCut } from './send-cut.ts';
import type { SenderMemory } from './sender-memory.ts';

/** The highest version of the replication protocol spoken here. */
const PROTOCOL_VERSION = 4;
/** Cuts without frames go whole in one message from here on. */
const BRIEF_SINCE = 3;

export interface ReplicateOptions {
  readonly machineId: string;
  readonly version: string;
  readonly held: HeldCuts;
  readonly memory: SenderMemory;
  readonly allowance: Allowance;
  /** Given when something was committed. */
  readonly committed: Notice;
  /** Cuts on the server's disk; filled here. */
  readonly journaled: Set<string>;
  readonly queries: DigestQueries;
  /** Aborted to end the stream; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Somebody waits until this cut is durable. */
  isAwaited?(cutId: string): boolean;
  onOpened(opened: Opened): void;
  onSent(bytes: number): void;
  onResyncNeeded(diskId: string, reason: string): void;
}

const violation = (why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', { thing: 'the process server', why, remedy: 'use versions of both sides that fit together' });

const fencedError = ({ term, reason, failedOverOperationId }: Fenced): HoldfastError =>
  new HoldfastError('FENCED', {
    thing: "the machine's log in the vault",
    why:
      failedOverOperationId.length > 0
        ? `the machine is failed over (operation ${idText(failedOverOperationId)})`
        : `term ${term}: ${reason}`,
    remedy:
      failedOverOperationId.length > 0
        ? 'cancel or complete the failover; writes are tracked meanwhile'
        : 'the machine is assigned to another process server; wait until the agent is told which',
  });

const numberOf = (bytes: bigint): number => Number(bytes > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : bytes);

/** Runs one stream from Open to its end; always throws what ended it. */
export const replicate = async (stream: ReplicationStream, options: ReplicateOptions): Promise<never> => {
  const { machineId, version, held, memory, allowance, committed, journaled, queries, onOpened, onSent, onResyncNeeded } = options;
  /** Where the vault ended, as far as anybody knew, when this stream began: nothing that becomes durable now can stand before it. */
  const { anchor, seenTerm } = memory.current;
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const messages = stream[Symbol.asyncIterator]();
  /** Cuts sent whole on this stream that are not durable. */
  const sent = new Set<string>();
  let brief = false;

  const next = async (): Promise<ReplicateResponse['message']> => {
    const { value, done } = await messages.next();
    if (done === true) {
      throw new HoldfastError('CONNECTION_LOST', {
        thing: 'the process server',
        why: 'it ended the stream',
        remedy: 'wait: it is tried again',
      });
    }
    return value.message;
  };

  const open = async (): Promise<PartialCut | undefined> => {
    const heldCutIds = heldIds(held.list().values());
    await stream.send(
      request({
        case: 'open',
        value: {
          machineId: idBytes(machineId),
          agentVersion: version,
          protocolVersion: PROTOCOL_VERSION,
          seenTerm,
          heldCutIds,
          ...(anchor === undefined ? {} : { anchor }),
        },
      }),
    );
    const message = await next();
    if (message.case === 'fenced') throw fencedError(message.value);
    if (message.case !== 'opened') throw violation(`it answered ${message.case ?? 'nothing'} where Opened was due`);
    const opened = message.value;
    if (opened.protocolVersion < 1 || opened.protocolVersion > PROTOCOL_VERSION)
      throw violation(`it speaks version ${opened.protocolVersion} of the protocol where ${PROTOCOL_VERSION} is the highest known`);
    if (opened.term < seenTerm) {
      throw new HoldfastError('FENCED', {
        thing: 'the process server',
        why: `it writes under term ${opened.term}, but term ${seenTerm} was seen`,
        remedy: 'another process server took over; stop this one or assign the machine to it again',
      });
    }
    held.checkProgress(opened.disks);
    // Kept before anything is sent under it.
    await memory.remember({ seenTerm: opened.term });
    await held.durable(opened.durableCutIds.map(idText), undefined);
    for (const id of opened.journaledCutIds.map(idText)) if (held.list().has(id)) journaled.add(id);
    allowance.grant(numberOf(opened.credit));
    onOpened(opened);
    brief = opened.protocolVersion >= BRIEF_SINCE;
    queries.opened(opened.protocolVersion, (query) => {
      // The end of the stream is told where it is read.
      stream.send(request({ case: 'digestQuery', value: query })).catch(() => undefined);
    });
    return opened.partial;
  };

  const take = async (message: ReplicateResponse['message']): Promise<void> => {
    switch (message.case) {
      case 'journaled': {
        for (const id of [...message.value.earlierCutIds, message.value.cutId].map(idText)) if (held.list().has(id)) journaled.add(id);
        return;
      }
      case 'durable': {
        const at = message.value.anchor;
        // Those told again were freed long ago.
        const ids = [...message.value.earlierCutIds, message.value.cutId].map(idText).filter((id) => held.list().has(id));
        if (ids.length === 0) return;
        if (at !== undefined && anchor !== undefined && at.sequence < anchor.sequence)
          throw rolledBack(
            "the machine's log in the vault",
            `it grows at slot ${at.sequence}, but slot ${anchor.sequence} was durable once`,
          );
        await held.durable(ids, at);
        for (const id of ids) {
          journaled.delete(id);
          sent.delete(id);
        }
        return;
      }
      case 'credit':
        return allowance.grant(numberOf(message.value.bytes));
      case 'pace':
        return allowance.setPace(numberOf(message.value.bytesPerSecond));
      case 'resyncNeeded':
        return onResyncNeeded(idText(message.value.diskId), message.value.reason);
      case 'digests':
        return queries.answered(message.value);
      case 'fenced':
        throw fencedError(message.value);
      default:
        throw violation(`it sent ${message.case ?? 'nothing'} in the middle of a stream`);
    }
  };

  const receive = async (): Promise<never> => {
    for (;;) await take(await next());
  };

  const sendRest = async (partial: PartialCut | undefined): Promise<boolean> => {
    let isFirst = true;
    for (const [id, content] of held.list()) {
      if (sent.has(id) || journaled.has(id)) continue;
      signal.throwIfAborted();
      // The server keeps no beginning once another cut has begun.
      const beginning = isFirst && partial !== undefined && idText(partial.cutId) === id ? partial : undefined;
      isFirst = false;
      held.reading(id);
      const awaited = options.isAwaited?.(id) ?? false;
      await sendCut(content, beginning, { stream, allowance, signal, awaited, brief, onSent }).finally(() => held.reading(undefined));
      sent.add(id);
    }
    return !isFirst;
  };

  const send = async (partial: PartialCut | undefined): Promise<never> => {
    let beginning = partial;
    for (;;) {
      if (await sendRest(beginning)) beginning = undefined;
      await committed.wait(signal);
      signal.throwIfAborted();
    }
  };

  const works: Promise<unknown>[] = [];
  const begin = <T>(work: Promise<T>): Promise<T> => {
    works.push(work);
    return work;
  };
  const aborted = new Promise<never>((_, reject) => {
    const end = (): void => reject(options.signal.reason);
    if (options.signal.aborted) end();
    options.signal.addEventListener('abort', end, { once: true, signal: over.signal });
  });
  aborted.catch(() => undefined);
  try {
    const partial = await Promise.race([begin(open()), aborted]);
    return await Promise.race([begin(receive()), begin(send(partial)), aborted]);
  } catch (reason) {
    const error = fromSystem(reason, 'the replication stream', 'INTERNAL');
    queries.ended();
    over.abort(error);
    stream.abort(error);
    await Promise.allSettled(works);
    throw error;
  }
};
