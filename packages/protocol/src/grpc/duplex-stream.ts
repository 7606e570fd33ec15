import { HoldfastError } from '@holdfast/errors';
import { type Codec, requireSize } from './codec.ts';
import type { ScatteredMessage } from './frames-payload.ts';
import type { MessageStream } from './message-stream.ts';

/** What the side that made a stream of a call tells it of the call. */
export interface StreamControl {
  /**
   * Sends what is a serialized message already. Of a scattered one the library, on the side of the client, uses nothing but what it has: it copies each
   * message to behind five bytes of its own.
   */
  sendBytes(bytes: Buffer | ScatteredMessage): Promise<void>;
  /** The other side has sent its last message. */
  noMore(): void;
  /** The call is over: with its error, or null when it ended well. */
  finish(error: HoldfastError | null): void;
  /** True once this side has ended. */
  readonly ended: boolean;
}

/** The part of the library's calls that is used here, the same on both sides. */
export interface LibraryCall {
  pause(): unknown;
  resume(): unknown;
  emit(event: 'drain'): boolean;
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  once(event: 'drain', listener: () => void): unknown;
  write(bytes: Buffer): boolean;
  end(): unknown;
}

/** What differs between the two sides. */
export interface DuplexEnds<In, Out> {
  /** The library's call: whole messages as Buffers. */
  readonly call: LibraryCall;
  readonly codec: Codec<In, Out>;
  /** Tells the library that the call ends with `error`. */
  readonly abort: (error: HoldfastError) => void;
}

const ended = (): HoldfastError =>
  new HoldfastError('CONNECTION_LOST', { thing: 'the replication stream', why: 'it has ended', remedy: 'open a new one' });

/** What iterating waits for: a message, the end, or a failure. */
const createInbox = (call: LibraryCall) => {
  const queue: Buffer[] = [];
  let over: { readonly error: HoldfastError | null } | undefined;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  // This also makes the call read once, which the library's client needs: until then it gathers all that comes, without bound.
  call.on('data', (bytes: Buffer) => {
    queue.push(bytes);
    call.pause();
    notify();
  });
  return {
    /** Nothing comes any more; what is here can still be taken. */
    close(error: HoldfastError | null): void {
      over ??= { error };
      notify();
    },
    /** The next message; undefined at the end. */
    async take(): Promise<Buffer | undefined> {
      for (;;) {
        const bytes = queue.shift();
        if (bytes !== undefined) return bytes;
        if (over !== undefined) {
          if (over.error !== null) throw over.error;
          return undefined;
        }
        const arrived = new Promise<void>((resolve) => {
          wake = resolve;
        });
        call.resume();
        await arrived;
      }
    },
  };
};

/**
 * Yields what is taken, made something of. No generator: one that waits for the next message still holds the last, and what is held until a machine's
 * next cut, seconds later, costs the collector far more than what is gone at once.
 */
const iterate = <T>(take: () => Promise<Buffer | undefined>, make: (bytes: Buffer) => T): AsyncIterableIterator<T> => {
  let isOver = false;
  const over = (): IteratorReturnResult<undefined> => {
    isOver = true;
    return { value: undefined, done: true };
  };
  return {
    async next() {
      if (isOver) return over();
      try {
        const bytes = await take();
        return bytes === undefined ? over() : { value: make(bytes), done: false };
      } catch (error) {
        isOver = true;
        throw error;
      }
    },
    return: async () => over(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

/** Makes a stream of messages of a call. */
export const createDuplexStream = <In, Out>({
  call,
  codec,
  abort,
}: DuplexEnds<In, Out>): { readonly stream: MessageStream<In, Out>; readonly control: StreamControl } => {
  const controller = new AbortController();
  const inbox = createInbox(call);
  let failure: HoldfastError | undefined;
  let halfClosed = false;
  /** Of all who wait for room, while anybody does: one listener, however many they are. */
  let room: Promise<void> | undefined;
  const drained = (): Promise<void> => {
    room ??= new Promise((resolve) =>
      call.once('drain', () => {
        room = undefined;
        resolve();
      }),
    );
    return room;
  };

  const finish = (error: HoldfastError | null): void => {
    if (controller.signal.aborted) return;
    failure ??= error ?? undefined;
    inbox.close(failure ?? null);
    controller.abort(failure ?? null);
    call.emit('drain');
  };

  const fail = (error: HoldfastError): void => {
    if (failure !== undefined || controller.signal.aborted) return;
    failure = error;
    abort(error);
    finish(error);
  };

  const sendBytes = async (bytes: Buffer | ScatteredMessage): Promise<void> => {
    requireSize(bytes);
    if (failure !== undefined) throw failure;
    if (halfClosed || controller.signal.aborted) throw ended();
    if (call.write(bytes as Buffer)) return;
    await drained();
    if (failure !== undefined) throw failure;
  };

  const stream: MessageStream<In, Out> = {
    closed: controller.signal,
    send: async (message) => sendBytes(codec.encode(message)),
    end() {
      if (halfClosed || controller.signal.aborted) return;
      halfClosed = true;
      call.end();
    },
    abort: fail,
    [Symbol.asyncIterator]: () =>
      iterate(inbox.take, (bytes) => {
        try {
          return codec.decode(bytes);
        } catch (error) {
          fail(error as HoldfastError);
          throw error;
        }
      }),
  };
  const control: StreamControl = {
    sendBytes,
    noMore: () => inbox.close(failure ?? null),
    finish,
    get ended() {
      return halfClosed;
    },
  };
  return { stream, control };
};
