import { BLOCK_SIZE, COARSE_SPAN, DIGEST_SIZE } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { type DigestQuery, DigestRefusal, type Digests, type EpochRef, idBytes, idText } from '@holdfast/protocol';

/** An epoch of a disk that makes a state. */
export interface StateRef {
  readonly generationId: string;
  readonly number: number;
}

/** What is to be known of the vault. */
export interface DigestRequest {
  readonly diskId: string;
  readonly state: StateRef;
  /** A later durable state of the same generation will do as well. */
  readonly orNewer: boolean;
  /** Bytes: a multiple of 1 MiB for coarse digests, else of the block size. */
  readonly offset: number;
  readonly length: number;
  readonly coarse: boolean;
}

export type DigestReply =
  | { readonly state: StateRef; readonly digests: Uint8Array /** Bytes of the disk in that state. */; readonly size: number }
  /** The state is not in the vault yet. */
  | 'not durable';

/** Queries of one machine for digests, over whatever stream there is: those that a stream left open are asked again on the next one. */
export interface DigestQueries {
  /**
   * Waits as long as there is no stream. Rejects with DIGESTS_UNAVAILABLE when the server cannot answer now, UNSUPPORTED_OPERATION when it never
   * can, and with the reason of the signal when that is aborted.
   */
  ask(request: DigestRequest, signal: AbortSignal): Promise<DigestReply>;
  /** There is a stream whose protocol has this version. */
  opened(version: number, send: (query: Query) => void): void;
  /** It has ended. */
  ended(): void;
  /** Errors: PROTOCOL_VIOLATION. */
  answered(digests: Digests): void;
}

/** A query but for what the message needs. */
export type Query = Omit<DigestQuery, '$typeName' | '$unknown'>;

/** Queries that may be open on a stream: half of what a server takes. */
const OPEN = 8;
/** The version of the protocol that has queries. */
const VERSION = 2;

interface Waiting {
  readonly id: number;
  readonly request: DigestRequest;
  readonly resolve: (reply: DigestReply) => void;
  readonly reject: (reason: unknown) => void;
  sent: boolean;
}

const unavailable = (diskId: string, why: string): HoldfastError =>
  new HoldfastError('DIGESTS_UNAVAILABLE', {
    thing: `digests of disk ${diskId}`,
    why,
    remedy: 'nothing is lost: what cannot be compared is copied whole',
  });

const tooOld = (diskId: string): HoldfastError =>
  new HoldfastError('UNSUPPORTED_OPERATION', {
    thing: `digests of disk ${diskId}`,
    why: 'the process server is older than queries for them',
    remedy: 'update the process server; until then disks that resynchronize are copied whole',
  });

class StreamQueries implements DigestQueries {
  /** In the order they are to be sent. */
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #send: ((query: Query) => void) | undefined;
  #version = 0;

  async ask(request: DigestRequest, signal: AbortSignal): Promise<DigestReply> {
    signal.throwIfAborted();
    const id = this.#next;
    this.#next = (this.#next % 0xffff_fffe) + 1;
    const { promise, resolve, reject } = Promise.withResolvers<DigestReply>();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort);
    this.#waiting.set(id, { id, request, resolve, reject, sent: false });
    this.#pump();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#waiting.delete(id);
      this.#pump();
    }
  }

  opened(version: number, send: (query: Query) => void): void {
    this.#version = version;
    this.#send = send;
    this.#pump();
  }

  ended(): void {
    this.#send = undefined;
    for (const waiting of this.#waiting.values()) waiting.sent = false;
  }

  answered({ id, state, digests, refusal, reason, diskSize }: Digests): void {
    const waiting = this.#waiting.get(id);
    // Nobody waits any more.
    if (waiting === undefined || !waiting.sent) return;
    const { diskId } = waiting.request;
    if (refusal === DigestRefusal.NOT_DURABLE) waiting.resolve('not durable');
    else if (refusal !== DigestRefusal.UNSPECIFIED) waiting.reject(unavailable(diskId, reason.slice(0, 300)));
    else waiting.resolve({ state: checkedState(waiting.request, state, digests), digests, size: Number(diskSize) });
  }

  #pump(): void {
    if (this.#send === undefined) return;
    let open = 0;
    for (const waiting of this.#waiting.values()) {
      if (waiting.sent) open += 1;
      else if (this.#version < VERSION) waiting.reject(tooOld(waiting.request.diskId));
    }
    for (const waiting of this.#waiting.values()) {
      if (waiting.sent || this.#version < VERSION) continue;
      if (open >= OPEN) return;
      open += 1;
      waiting.sent = true;
      const { diskId, state, orNewer, offset, length, coarse } = waiting.request;
      this.#send({
        id: waiting.id,
        diskId: idBytes(diskId),
        state: { generationId: idBytes(state.generationId), number: BigInt(state.number), $typeName: 'holdfast.v1.EpochRef' },
        orNewer,
        offset: BigInt(offset),
        length: BigInt(length),
        coarse,
      });
    }
  }
}

/** The state that the digests are of. Errors: PROTOCOL_VIOLATION when they are no answer to the request. */
const checkedState = (
  { state: wanted, orNewer, length, coarse }: DigestRequest,
  ref: EpochRef | undefined,
  digests: Uint8Array,
): StateRef => {
  const most = Math.ceil(length / (coarse ? COARSE_SPAN : BLOCK_SIZE)) * DIGEST_SIZE;
  const state = ref && { generationId: idText(ref.generationId), number: Number(ref.number) };
  const isWanted =
    state?.generationId === wanted.generationId && (state.number === wanted.number || (orNewer && state.number > wanted.number));
  if (isWanted && digests.length % DIGEST_SIZE === 0 && digests.length <= most) return state;
  throw new HoldfastError('PROTOCOL_VIOLATION', {
    thing: 'the process server',
    why: 'it answered a query for digests with something else',
    remedy: 'use versions of both sides that fit together',
  });
};

export const createDigestQueries = (): DigestQueries => new StreamQueries();
