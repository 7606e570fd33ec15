import net, { type Socket } from 'node:net';
import { mergeExtents, totalLength } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import { describeAddress, type NbdAddress } from './address.ts';
import { type ByteReader, createByteReader } from './byte-reader.ts';
import { type Agreement, chooseExport } from './client-handshake.ts';
import { errorOf } from './errno.ts';
import {
  CMD,
  encodeRequest,
  isErrorChunk,
  REPLY,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_MAGIC,
  SIMPLE_REPLY_SIZE,
  STRUCTURED_REPLY_MAGIC,
  STRUCTURED_REPLY_SIZE,
} from './protocol.ts';

/** One request. */
export interface Command {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  /** What a write writes. */
  readonly data?: Uint8Array;
  /** What a read fills, `length` bytes. */
  readonly target?: Uint8Array;
}

/** A run of bytes of a block status. */
export interface StatusDescriptor {
  readonly length: number;
  readonly flags: number;
}

/** A connection to one export. */
export interface ClientConnection {
  readonly agreement: Agreement;
  /** Resolves when the server has answered, for a block status with what it said. Errors: the server's, CONNECTION_LOST. */
  request(command: Command): Promise<readonly StatusDescriptor[]>;
  /** True once it is of no use any more. */
  readonly lost: boolean;
  /** Says goodbye. */
  close(): Promise<void>;
}

interface Pending {
  readonly command: Command;
  readonly due: number;
  readonly resolve: (status: readonly StatusDescriptor[]) => void;
  readonly reject: (reason: HoldfastError) => void;
  readonly covered: { offset: number; length: number }[];
  status: readonly StatusDescriptor[];
  error: HoldfastError | undefined;
}

/** Bytes of a chunk that isn't data at most. */
const CHUNK_LIMIT = 8 * 1024 * 1024 + 1024;

class SocketConnection implements ClientConnection {
  readonly agreement: Agreement;
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #server: string;
  readonly #deadline: number;
  readonly #pending = new Map<number, Pending>();
  #nextCookie = 0;
  #timer: NodeJS.Timeout | undefined;
  #lost: HoldfastError | undefined;

  constructor(socket: Socket, reader: ByteReader, server: string, deadline: number, agreement: Agreement) {
    this.#socket = socket;
    this.#reader = reader;
    this.#server = server;
    this.#deadline = deadline;
    this.agreement = agreement;
    void this.#receive();
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  request(command: Command): Promise<readonly StatusDescriptor[]> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const { promise, resolve, reject } = Promise.withResolvers<readonly StatusDescriptor[]>();
    this.#nextCookie = (this.#nextCookie + 1) >>> 0;
    const { type, offset, length } = command;
    const due = performance.now() + this.#deadline;
    this.#pending.set(this.#nextCookie, { command, due, resolve, reject, covered: [], status: [], error: undefined });
    this.#timer ??= setTimeout(() => this.#checkDeadline(), this.#deadline);
    this.#socket.cork();
    this.#socket.write(encodeRequest({ flags: 0, type, cookie: { high: 0, low: this.#nextCookie }, offset, length }));
    if (command.data !== undefined) this.#socket.write(command.data);
    this.#socket.uncork();
    return promise;
  }

  async close(): Promise<void> {
    if (this.#lost !== undefined) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.end(encodeRequest({ flags: 0, type: CMD.DISC, cookie: { high: 0, low: 0 }, offset: 0, length: 0 }));
    const timer = setTimeout(() => this.#socket.destroy(), this.#deadline);
    await closed;
    clearTimeout(timer);
  }

  async #receive(): Promise<void> {
    try {
      while (await this.#receiveReply());
      this.#fail('the server closed the connection');
    } catch (reason) {
      this.#fail(reason instanceof HoldfastError ? reason.why : String(reason));
    }
  }

  /** False at the end of the connection; throws when the server makes no sense. */
  async #receiveReply(): Promise<boolean> {
    const head = await this.#reader.read(SIMPLE_REPLY_SIZE);
    if (head === undefined) return false;
    const magic = head.readUInt32BE(0);
    const low = head.readUInt32BE(12);
    const pending = this.#pending.get(low);
    if (pending === undefined || head.readUInt32BE(8) !== 0) throw new Error('a reply belongs to no request');
    if (magic === SIMPLE_REPLY_MAGIC) {
      const errno = head.readUInt32BE(4);
      const { target } = pending.command;
      if (errno !== 0) pending.error = errorOf(errno, this.#server, '');
      else if (target !== undefined) {
        if (this.agreement.structured) throw new Error('a reply to a read is not structured');
        if (!(await this.#reader.fill(target))) return false;
        pending.covered.push({ offset: pending.command.offset, length: target.length });
      }
      this.#settle(low, pending);
      return true;
    }
    if (magic !== STRUCTURED_REPLY_MAGIC || !this.agreement.structured) throw new Error('a reply does not begin with its magic number');
    const rest = await this.#reader.read(STRUCTURED_REPLY_SIZE - SIMPLE_REPLY_SIZE);
    if (rest === undefined || !(await this.#receiveChunk(pending, head.readUInt16BE(6), rest.readUInt32BE(0)))) return false;
    if ((head.readUInt16BE(4) & REPLY_FLAG_DONE) !== 0) this.#settle(low, pending);
    return true;
  }

  async #receiveChunk(pending: Pending, type: number, length: number): Promise<boolean> {
    if (type === REPLY.OFFSET_DATA) {
      const offset = await this.#reader.read(8);
      if (offset === undefined) return false;
      return this.#reader.fill(this.#targetPart(pending, Number(offset.readBigUInt64BE(0)), length - 8));
    }
    if (length > CHUNK_LIMIT) throw new Error('a reply is too long');
    const payload = Buffer.alloc(length);
    if (!(await this.#reader.fill(payload))) return false;
    if (type === REPLY.OFFSET_HOLE && length === 12) {
      this.#targetPart(pending, Number(payload.readBigUInt64BE(0)), payload.readUInt32BE(8)).fill(0);
    } else if (type === REPLY.BLOCK_STATUS && length >= 12 && length % 8 === 4) {
      pending.status = Array.from({ length: (length - 4) / 8 }, (_, index) => ({
        length: payload.readUInt32BE(4 + index * 8),
        flags: payload.readUInt32BE(8 + index * 8),
      }));
    } else if (isErrorChunk(type) && length >= 6) {
      const message = payload.toString('utf8', 6, 6 + payload.readUInt16BE(4));
      pending.error = errorOf(payload.readUInt32BE(0), this.#server, message);
    } else if (type !== REPLY.NONE || length !== 0) {
      throw new Error(`a reply is of kind ${type}`);
    }
    return true;
  }

  /** The part of a read's target that a chunk is for. */
  #targetPart({ command, covered }: Pending, offset: number, length: number): Uint8Array {
    const from = offset - command.offset;
    if (command.target === undefined || length < 1 || from < 0 || from + length > command.target.length) {
      throw new Error('a reply has data that was not asked for');
    }
    covered.push({ offset, length });
    return command.target.subarray(from, from + length);
  }

  #settle(cookie: number, { command, covered, error, resolve, reject, status }: Pending): void {
    if (error === undefined && command.target !== undefined) {
      // Every byte once: chunks that overlap would hide one that is missing.
      const once =
        mergeExtents(covered).length === 1 &&
        totalLength(covered) === command.length &&
        totalLength(mergeExtents(covered)) === command.length;
      if (!once) throw new Error('a reply to a read does not have every byte once');
    }
    this.#pending.delete(cookie);
    if (error === undefined) resolve(status);
    else reject(error);
  }

  #checkDeadline(): void {
    this.#timer = undefined;
    const [oldest] = this.#pending.values();
    if (oldest === undefined) return;
    const left = oldest.due - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#checkDeadline(), left);
    else this.#fail(`the server did not answer within ${this.#deadline} ms`);
  }

  #fail(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new HoldfastError('CONNECTION_LOST', {
      thing: this.#server,
      why,
      remedy: 'check that the server runs and can be reached',
    });
    clearTimeout(this.#timer);
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
  }
}

/** Connects and chooses an export, both within `deadline` milliseconds, which is also what every request gets. */
export const connect = async (address: NbdAddress, name: string, deadline: number): Promise<ClientConnection> => {
  const server = `NBD server ${describeAddress(address)}`;
  const socket = net.connect({ ...address, noDelay: true, keepAlive: true });
  let why = `it did not answer within ${deadline} ms`;
  socket.on('error', (reason) => {
    why = reason.message;
  });
  const timer = setTimeout(() => socket.destroy(), deadline);
  const reader = createByteReader(socket);
  try {
    const agreement = await chooseExport(socket, reader, server, name);
    return new SocketConnection(socket, reader, server, deadline, agreement);
  } catch (reason) {
    socket.destroy();
    if (!(reason instanceof HoldfastError) || reason.code !== 'CONNECTION_LOST') throw reason;
    throw new HoldfastError('CONNECTION_LOST', {
      thing: server,
      why,
      remedy: 'check that the server runs and can be reached',
      cause: reason,
    });
  } finally {
    clearTimeout(timer);
  }
};
