import type { Socket } from 'node:net';
import { HoldfastError } from '@holdfast/errors';
import type { ByteReader } from './byte-reader.ts';
import { encodeString } from './option-data.ts';
import {
  ALLOCATION_CONTEXT,
  FLAG,
  HANDSHAKE,
  INFO,
  INIT_MAGIC,
  isErrorReply,
  OPT,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  PAYLOAD_LIMIT,
  REP,
} from './protocol.ts';

/** What a server offers. */
export interface Agreement {
  readonly size: number;
  /** Transmission flags. */
  readonly flags: number;
  readonly structured: boolean;
  /** The number of `base:allocation`; absent where there is none. */
  readonly allocationId: number | undefined;
  /** Offsets and lengths must be multiples of this. */
  readonly minimumBlock: number;
  /** Bytes of data in one request at most. */
  readonly maximumPayload: number;
}

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

/** Bytes of one reply to an option at most, and replies to one option. */
const REPLY_LIMIT = 64 * 1024;
const REPLY_COUNT_LIMIT = 1000;

class Handshake {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #server: string;

  constructor(socket: Socket, reader: ByteReader, server: string) {
    this.#socket = socket;
    this.#reader = reader;
    this.#server = server;
  }

  async run(name: string): Promise<Agreement> {
    const greeting = await this.#read(18);
    if (greeting.readBigUInt64BE(0) !== INIT_MAGIC || greeting.readBigUInt64BE(8) !== OPTION_MAGIC)
      throw this.#violation('it is no NBD server');
    const flags = greeting.readUInt16BE(16);
    if ((flags & HANDSHAKE.FIXED_NEWSTYLE) === 0) throw this.#violation('it only speaks an old form of the protocol');
    const answer = Buffer.alloc(4);
    answer.writeUInt32BE(flags & (HANDSHAKE.FIXED_NEWSTYLE | HANDSHAKE.NO_ZEROES));
    this.#socket.write(answer);
    const structured = (await this.#option(OPT.STRUCTURED_REPLY, Buffer.alloc(0))).at(-1)!.type === REP.ACK;
    const allocationId = structured ? await this.#allocationId(name) : undefined;
    return { ...(await this.#go(name)), structured, allocationId };
  }

  async #allocationId(name: string): Promise<number | undefined> {
    const query = Buffer.concat([encodeString(name), Buffer.from([0, 0, 0, 1]), encodeString(ALLOCATION_CONTEXT)]);
    const replies = await this.#option(OPT.SET_META_CONTEXT, query);
    const context = replies.find(({ type, data }) => type === REP.META_CONTEXT && data.toString('utf8', 4) === ALLOCATION_CONTEXT);
    return isErrorReply(replies.at(-1)!.type) ? undefined : context?.data.readUInt32BE(0);
  }

  async #go(name: string): Promise<Pick<Agreement, 'size' | 'flags' | 'minimumBlock' | 'maximumPayload'>> {
    const wanted = Buffer.from([0, 1, 0, INFO.BLOCK_SIZE]);
    const replies = await this.#option(OPT.GO, Buffer.concat([encodeString(name), wanted]));
    const last = replies.at(-1)!;
    if (isErrorReply(last.type)) throw this.#refused(name, last);
    const info = (kind: number, length: number): Buffer | undefined =>
      replies.find(({ type, data }) => type === REP.INFO && data.length === length && data.readUInt16BE(0) === kind)?.data;
    const exported = info(INFO.EXPORT, 12);
    const blocks = info(INFO.BLOCK_SIZE, 14);
    if (exported === undefined) throw this.#violation('it does not say how large the export is');
    const size = exported.readBigUInt64BE(2);
    const flags = exported.readUInt16BE(10);
    if (size > BigInt(Number.MAX_SAFE_INTEGER) || (flags & FLAG.HAS_FLAGS) === 0)
      throw this.#violation('it describes an impossible export');
    const minimumBlock = blocks?.readUInt32BE(2) ?? 1;
    const maximumPayload = blocks?.readUInt32BE(10) ?? PAYLOAD_LIMIT;
    if (minimumBlock < 1 || minimumBlock > 65_536 || maximumPayload < minimumBlock) throw this.#violation('its block sizes are impossible');
    return { size: Number(size), flags, minimumBlock, maximumPayload };
  }

  /** Sends an option and collects replies up to the final one. */
  async #option(option: number, data: Buffer): Promise<OptionReply[]> {
    const header = Buffer.alloc(16);
    header.writeBigUInt64BE(OPTION_MAGIC, 0);
    header.writeUInt32BE(option, 8);
    header.writeUInt32BE(data.length, 12);
    this.#socket.write(Buffer.concat([header, data]));
    const replies: OptionReply[] = [];
    while (replies.length < REPLY_COUNT_LIMIT) {
      const head = await this.#read(20);
      const length = head.readUInt32BE(16);
      if (head.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC || head.readUInt32BE(8) !== option || length > REPLY_LIMIT) break;
      const reply = { type: head.readUInt32BE(12), data: Buffer.from(await this.#read(length)) };
      replies.push(reply);
      if (reply.type === REP.ACK || isErrorReply(reply.type)) return replies;
      if (reply.type === REP.META_CONTEXT && length < 4) break;
      if (reply.type === REP.INFO && length < 2) break;
    }
    throw this.#violation('its reply to an option makes no sense');
  }

  async #read(length: number): Promise<Buffer> {
    const bytes = await this.#reader.read(length);
    if (bytes !== undefined) return bytes;
    throw new HoldfastError('CONNECTION_LOST', {
      thing: this.#server,
      why: 'the connection ended during the handshake',
      remedy: 'look why the server sends this client away',
    });
  }

  #refused(name: string, { type, data }: OptionReply): HoldfastError {
    const said = data.length > 0 ? `: ${data.toString()}` : '';
    const why = `the server refuses export ${JSON.stringify(name)} (${type.toString(16)}${said})`;
    const code = type === REP.ERR_UNKNOWN ? 'OBJECT_NOT_FOUND' : 'UNSUPPORTED_OPERATION';
    return new HoldfastError(code, { thing: this.#server, why, remedy: 'check the name of the export and what the server allows' });
  }

  #violation(why: string): HoldfastError {
    return new HoldfastError('PROTOCOL_VIOLATION', { thing: this.#server, why, remedy: 'check that the address is that of an NBD server' });
  }
}

/** The client's side of a fixed newstyle negotiation, for the export called `name`. */
export const chooseExport = (socket: Socket, reader: ByteReader, server: string, name: string): Promise<Agreement> =>
  new Handshake(socket, reader, server).run(name);
