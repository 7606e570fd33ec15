import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { describeRange } from './block-status.ts';
import { type Budget, createBudget } from './budget.ts';
import type { BufferPool, PooledBuffer } from './buffer-pool.ts';
import type { ByteReader } from './byte-reader.ts';
import { errnoOf } from './errno.ts';
import { CMD, CMD_FLAG, commandName, decodeRequest, PAYLOAD_LIMIT, REPLY, REQUEST_SIZE, type Request, STATE } from './protocol.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { ALLOCATION_ID, type Session, violation } from './server-handshake.ts';
import { refuse } from './validate-request.ts';

/** Block status descriptors in one reply. */
const STATUS_LIMIT = 1024;
/** What a request costs beside its data, in bytes of the budget: its own state and its reply's head. */
const OVERHEAD = 1024;
const PIECE = 1024 * 1024;
const ZEROES = new Uint8Array(PIECE);

export interface TransmissionLimits {
  /** Requests of one connection under way at once. */
  readonly requests: number;
  /** Bytes of data of those requests held in memory. */
  readonly bytes: number;
}

export interface TransmissionParts {
  readonly session: Session;
  readonly reader: ByteReader;
  readonly writer: ReplyWriter;
  readonly pool: BufferPool;
  readonly limits: TransmissionLimits;
  /** Called with every error of the device, and with the request it happened to. */
  readonly report: (error: HoldfastError, request: string) => void;
}

/** The transmission phase of one connection. */
export interface Transmission {
  /** Takes requests until the client leaves or the reader is stopped. Throws PROTOCOL_VIOLATION for something that isn't a request. */
  serve(): Promise<void>;
  /** Resolves when every request taken has ended and its reply has left, or never will. */
  idle(): Promise<void>;
}

class RequestTransmission implements Transmission {
  readonly #parts: TransmissionParts;
  readonly #budget: Budget;

  constructor(parts: TransmissionParts) {
    this.#parts = parts;
    this.#budget = createBudget(parts.limits.requests, parts.limits.bytes);
  }

  async serve(): Promise<void> {
    while (await this.#serveNext());
  }

  idle(): Promise<void> {
    return this.#budget.idle();
  }

  /** False when there is no next request. */
  async #serveNext(): Promise<boolean> {
    const { reader, session } = this.#parts;
    const header = reader.take(REQUEST_SIZE) ?? (await reader.read(REQUEST_SIZE));
    if (header === undefined) return false;
    const request = decodeRequest(header);
    if (request === undefined) throw violation('a request does not begin with its magic number');
    if (request.type === CMD.DISC) return false;
    const refusal = refuse(request, session);
    // Taken before the data is: a client that sends more than it may has to wait.
    const cost = OVERHEAD + (refusal === undefined ? memoryOf(request) : 0);
    const room = this.#budget.take(cost);
    if (room !== undefined) await room;
    const done = (): void => this.#budget.give(cost);
    if (refusal !== undefined) {
      if (request.type === CMD.WRITE && !(await reader.skip(request.length))) return this.#cutShort(done);
      void this.#parts.writer.sendError(request.cookie, refusal.errno, refusal.message).then(done);
      return true;
    }
    if (request.type === CMD.WRITE) {
      const data = await this.#takeData(request.length);
      if (data === undefined) return this.#cutShort(done);
      void this.#perform(request, data).then(done);
    } else {
      void this.#perform(request).then(done);
    }
    return true;
  }

  /** The data of a write, in memory of its own unless it is here in one piece already. Undefined at the end of the connection. */
  async #takeData(length: number): Promise<PooledBuffer | undefined> {
    const { reader, pool } = this.#parts;
    const here = reader.take(length);
    if (here !== undefined) return { bytes: here, release: () => {} };
    const memory = pool.take(length);
    return (await reader.fill(memory.bytes)) ? memory : undefined;
  }

  #cutShort(done: () => void): false {
    done();
    return false;
  }

  /** Never rejects. */
  async #perform(request: Request, data?: PooledBuffer): Promise<void> {
    try {
      await this.#execute(request, data);
    } catch (reason) {
      const { session, writer, report } = this.#parts;
      const error = fromSystem(reason, `export ${JSON.stringify(session.name)}`);
      report(error, `${commandName(request.type)} of ${request.length} bytes at ${request.offset}`);
      await writer.sendError(request.cookie, errnoOf(error), error.message);
    }
  }

  async #execute(request: Request, data: PooledBuffer | undefined): Promise<void> {
    const { device } = this.#parts.session.exported;
    const { type, offset, length, flags, cookie } = request;
    if (type === CMD.READ && length > 0) return this.#read(request);
    if (type === CMD.BLOCK_STATUS) return this.#blockStatus(request);
    if (type === CMD.WRITE) {
      await device.write(offset, data!.bytes);
      data!.release();
    }
    if (type === CMD.WRITE_ZEROES && (flags & CMD_FLAG.NO_HOLE) !== 0) await this.#writeZeroes(offset, length);
    else if (type === CMD.WRITE_ZEROES || type === CMD.TRIM) await device.zero(offset, length);
    else if (type === CMD.CACHE) await this.#prefetch(offset, length);
    if (type === CMD.FLUSH || (flags & CMD_FLAG.FUA) !== 0) await device.flush();
    await this.#parts.writer.sendDone(cookie);
  }

  async #read({ offset, length, cookie }: Request): Promise<void> {
    const { session, writer } = this.#parts;
    const reply = writer.dataReply(length);
    await session.exported.device.read(offset, reply.data);
    await writer.sendData(cookie, reply, offset);
  }

  /** For a client that wants the room taken, not a hole. */
  async #writeZeroes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += PIECE) {
      await this.#parts.session.exported.device.write(offset + done, ZEROES.subarray(0, Math.min(PIECE, length - done)));
    }
  }

  /** Reads the beginning of the range, so that whatever cache the device has holds it. */
  async #prefetch(offset: number, length: number): Promise<void> {
    const part = Buffer.allocUnsafe(Math.min(PIECE, length));
    const end = offset + Math.min(length, PAYLOAD_LIMIT);
    for (let at = offset; at < end; at += PIECE) {
      await this.#parts.session.exported.device.read(at, part.subarray(0, Math.min(PIECE, end - at)));
    }
  }

  async #blockStatus({ offset, length, flags, cookie }: Request): Promise<void> {
    const { session, writer } = this.#parts;
    const limit = (flags & CMD_FLAG.REQ_ONE) !== 0 ? 1 : STATUS_LIMIT;
    const runs = await describeRange(session.exported.device, offset, length, limit);
    const payload = Buffer.allocUnsafe(4 + runs.length * 8);
    payload.writeUInt32BE(ALLOCATION_ID, 0);
    runs.forEach((run, index) => {
      payload.writeUInt32BE(run.length, 4 + index * 8);
      payload.writeUInt32BE(run.data ? 0 : STATE.HOLE | STATE.ZERO, 8 + index * 8);
    });
    await writer.sendChunk(cookie, REPLY.BLOCK_STATUS, payload);
  }
}

/** Bytes of data a request keeps in memory. */
const memoryOf = ({ type, length }: Request): number => {
  if (type === CMD.READ || type === CMD.WRITE) return length;
  return type === CMD.CACHE ? Math.min(PIECE, length) : 0;
};

export const createTransmission = (parts: TransmissionParts): Transmission => new RequestTransmission(parts);
