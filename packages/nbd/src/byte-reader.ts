import type { Socket } from 'node:net';

/** Reads a socket in pieces of the reader's choosing. What was not asked for stays in the kernel, so that the other side has to wait. */
export interface ByteReader {
  /** The next `length` bytes if they are here, a view; else undefined, and `wait` is the thing to do. */
  take(length: number): Buffer | undefined;
  /** Resolves to true when `take(length)` would succeed, to false when the stream ends before. For small lengths. */
  wait(length: number): Promise<boolean>;
  /** `take` and `wait` in one. Undefined at the end of the stream. */
  read(length: number): Promise<Buffer | undefined>;
  /** Fills `target`, of any size; false when the stream ends before. */
  fill(target: Uint8Array): Promise<boolean>;
  /** Throws bytes away; false when the stream ends before. */
  skip(length: number): Promise<boolean>;
  /** Ends the stream for this reader: what is here can still be taken, `wait` resolves to false. */
  stop(): void;
}

/** Bytes kept here before the socket is paused. */
const READ_AHEAD = 256 * 1024;

class SocketReader implements ByteReader {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #available = 0;
  #wanted = 0;
  #waiting: ((here: boolean) => void) | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#push(chunk));
    socket.on('end', () => this.stop());
    socket.on('close', () => this.stop());
  }

  take(length: number): Buffer | undefined {
    if (this.#available < length) return undefined;
    this.#available -= length;
    const head = this.#chunks[0];
    if (head !== undefined && head.length > length) {
      this.#chunks[0] = head.subarray(length);
      return head.subarray(0, length);
    }
    if (head !== undefined && head.length === length) return this.#chunks.shift();
    const taken = Buffer.allocUnsafe(length);
    this.#copy(taken);
    return taken;
  }

  wait(length: number): Promise<boolean> {
    if (this.#available >= length) return Promise.resolve(true);
    if (this.#ended) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#wanted = length;
    this.#waiting = resolve;
    this.#socket.resume();
    return promise;
  }

  async read(length: number): Promise<Buffer | undefined> {
    return this.take(length) ?? ((await this.wait(length)) ? this.take(length) : undefined);
  }

  async fill(target: Uint8Array): Promise<boolean> {
    for (let filled = 0; filled < target.length; ) {
      if (this.#available === 0 && !(await this.wait(1))) return false;
      const part = target.subarray(filled, filled + this.#available);
      this.#available -= part.length;
      this.#copy(part);
      filled += part.length;
    }
    return true;
  }

  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0; ) {
      if (this.#available === 0 && !(await this.wait(1))) return false;
      const head = this.#chunks.shift()!;
      const part = Math.min(head.length, left);
      if (part < head.length) this.#chunks.unshift(head.subarray(part));
      this.#available -= part;
      left -= part;
    }
    return true;
  }

  stop(): void {
    this.#ended = true;
    this.#answer(false);
  }

  #push(chunk: Buffer): void {
    // After stop() nobody asks any more; the bytes are dropped so that the end of the connection is seen.
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
    if (this.#waiting !== undefined && this.#available >= this.#wanted) this.#answer(true);
    else if (this.#waiting === undefined && this.#available >= READ_AHEAD) this.#socket.pause();
  }

  #answer(here: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(here);
  }

  /** Moves bytes that are known to be here out of the chunks. */
  #copy(target: Uint8Array): void {
    for (let filled = 0; filled < target.length; ) {
      const head = this.#chunks[0]!;
      const part = Math.min(head.length, target.length - filled);
      target.set(part === head.length ? head : head.subarray(0, part), filled);
      if (part === head.length) this.#chunks.shift();
      else this.#chunks[0] = head.subarray(part);
      filled += part;
    }
  }
}

/** Takes over reading from `socket`. Wants to wait for less than 256 KiB at a time; one call at a time. */
export const createByteReader = (socket: Socket): ByteReader => new SocketReader(socket);
