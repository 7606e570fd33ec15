import type { Socket } from 'node:net';
import type { BufferPool, PooledBuffer } from './buffer-pool.ts';
import {
  type Cookie,
  REPLY,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_MAGIC,
  SIMPLE_REPLY_SIZE,
  STRING_LIMIT,
  STRUCTURED_REPLY_MAGIC,
  STRUCTURED_REPLY_SIZE,
} from './protocol.ts';

/** A reply whose data is put where it leaves from. */
export interface DataReply {
  readonly data: Buffer;
  readonly memory: PooledBuffer;
}

/** Puts replies on a connection in the form that was agreed on. Each call resolves when the reply has left this process, or never will. */
export interface ReplyWriter {
  /** Room for a reply with `length` bytes of data. */
  dataReply(length: number): DataReply;
  /** Sends what `dataReply` made, once `data` is filled with the content from `offset`. */
  sendData(cookie: Cookie, reply: DataReply, offset: number): Promise<void>;
  /** Sends one structured chunk; only where replies are structured. */
  sendChunk(cookie: Cookie, type: number, payload: Buffer): Promise<void>;
  sendDone(cookie: Cookie): Promise<void>;
  /** `message` is for people, and travels only where replies are structured. */
  sendError(cookie: Cookie, errno: number, message: string): Promise<void>;
}

class SocketReplyWriter implements ReplyWriter {
  readonly #socket: Socket;
  readonly #structured: boolean;
  readonly #pool: BufferPool;
  readonly #headSize: number;
  #corked = false;

  constructor(socket: Socket, structured: boolean, pool: BufferPool) {
    this.#socket = socket;
    this.#pool = pool;
    this.#structured = structured;
    this.#headSize = structured ? STRUCTURED_REPLY_SIZE + 8 : SIMPLE_REPLY_SIZE;
  }

  dataReply(length: number): DataReply {
    const memory = this.#pool.take(this.#headSize + length);
    return { data: memory.bytes.subarray(this.#headSize), memory };
  }

  async sendData(cookie: Cookie, { memory }: DataReply, offset: number): Promise<void> {
    const reply = memory.bytes;
    if (this.#structured) {
      chunkHead(reply, cookie, REPLY.OFFSET_DATA, reply.length - STRUCTURED_REPLY_SIZE);
      reply.writeBigUInt64BE(BigInt(offset), STRUCTURED_REPLY_SIZE);
    } else {
      simpleHead(reply, cookie, 0);
    }
    await this.#send(reply);
    memory.release();
  }

  sendChunk(cookie: Cookie, type: number, payload: Buffer): Promise<void> {
    const reply = Buffer.allocUnsafe(STRUCTURED_REPLY_SIZE + payload.length);
    chunkHead(reply, cookie, type, payload.length);
    payload.copy(reply, STRUCTURED_REPLY_SIZE);
    return this.#send(reply);
  }

  sendDone(cookie: Cookie): Promise<void> {
    if (this.#structured) return this.sendChunk(cookie, REPLY.NONE, Buffer.alloc(0));
    return this.#send(simpleHead(Buffer.allocUnsafe(SIMPLE_REPLY_SIZE), cookie, 0));
  }

  sendError(cookie: Cookie, errno: number, message: string): Promise<void> {
    if (!this.#structured) return this.#send(simpleHead(Buffer.allocUnsafe(SIMPLE_REPLY_SIZE), cookie, errno));
    const text = Buffer.from(message).subarray(0, STRING_LIMIT);
    const payload = Buffer.allocUnsafe(6 + text.length);
    payload.writeUInt32BE(errno, 0);
    payload.writeUInt16BE(text.length, 4);
    text.copy(payload, 6);
    return this.sendChunk(cookie, REPLY.ERROR, payload);
  }

  #send(reply: Buffer): Promise<void> {
    // Replies that are ready in the same round of the event loop leave in one system call.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    return new Promise((resolve) => this.#socket.write(reply, () => resolve()));
  }
}

const chunkHead = (reply: Buffer, cookie: Cookie, type: number, length: number): void => {
  reply.writeUInt32BE(STRUCTURED_REPLY_MAGIC, 0);
  reply.writeUInt16BE(REPLY_FLAG_DONE, 4);
  reply.writeUInt16BE(type, 6);
  reply.writeUInt32BE(cookie.high, 8);
  reply.writeUInt32BE(cookie.low, 12);
  reply.writeUInt32BE(length, 16);
};

const simpleHead = (reply: Buffer, cookie: Cookie, errno: number): Buffer => {
  reply.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  reply.writeUInt32BE(errno, 4);
  reply.writeUInt32BE(cookie.high, 8);
  reply.writeUInt32BE(cookie.low, 12);
  return reply;
};

export const createReplyWriter = (socket: Socket, structured: boolean, pool: BufferPool): ReplyWriter =>
  new SocketReplyWriter(socket, structured, pool);
