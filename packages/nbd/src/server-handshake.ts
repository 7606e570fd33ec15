import type { Socket } from 'node:net';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { ByteReader } from './byte-reader.ts';
import { type NbdExport, type NbdExports, transmissionFlags } from './exports.ts';
import { encodeString, parseExportQuery, parseMetaQuery } from './option-data.ts';
import { ALLOCATION_CONTEXT, HANDSHAKE, INFO, INIT_MAGIC, OPT, OPTION_MAGIC, OPTION_REPLY_MAGIC, PAYLOAD_LIMIT, REP } from './protocol.ts';

/** What a client and the server agreed on. */
export interface Session {
  readonly name: string;
  readonly exported: NbdExport;
  /** Replies are structured. */
  readonly structured: boolean;
  /** The client may ask for block status. */
  readonly allocation: boolean;
}

/** The number `base:allocation` has in replies. */
export const ALLOCATION_ID = 1;

/** Bytes of an option's data that are looked at; longer ones are refused. */
const OPTION_LIMIT = 64 * 1024;
const KNOWN_FLAGS = HANDSHAKE.FIXED_NEWSTYLE | HANDSHAKE.NO_ZEROES;
const MINIMUM_BLOCK = 1;
const PREFERRED_BLOCK = 4096;

export interface NegotiationParts {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly exports: NbdExports;
  /** Called with what prevented an export from being opened. */
  readonly report: (error: HoldfastError) => void;
}

class Negotiation {
  readonly #parts: NegotiationParts;
  #noZeroes = false;
  #structured = false;
  // The export for which block status was asked for; it counts only for that one.
  #allocationFor: string | undefined;

  constructor(parts: NegotiationParts) {
    this.#parts = parts;
  }

  async run(): Promise<Session | undefined> {
    const { reader, socket } = this.#parts;
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(INIT_MAGIC, 0);
    greeting.writeBigUInt64BE(OPTION_MAGIC, 8);
    greeting.writeUInt16BE(KNOWN_FLAGS, 16);
    socket.write(greeting);
    const flags = (await reader.read(4))?.readUInt32BE(0);
    if (flags === undefined) return undefined;
    if ((flags & ~KNOWN_FLAGS) !== 0) throw violation(`its flags are 0x${flags.toString(16)}`);
    this.#noZeroes = (flags & HANDSHAKE.NO_ZEROES) !== 0;
    for (;;) {
      // A client that asks without listening has to wait.
      if (socket.writableNeedDrain && !(await drained(socket))) return undefined;
      const header = await reader.read(16);
      if (header === undefined) return undefined;
      if (header.readBigUInt64BE(0) !== OPTION_MAGIC) throw violation('an option does not begin with its magic number');
      const option = header.readUInt32BE(8);
      const length = header.readUInt32BE(12);
      const data = length > OPTION_LIMIT ? await this.#tooLong(option, length) : await reader.read(length);
      if (data === undefined) return undefined;
      if (data === 'skipped') continue;
      if (option === OPT.ABORT) return this.#reply(option, REP.ACK);
      const session = await this.#answer(option, data);
      if (session !== undefined) return session;
    }
  }

  async #tooLong(option: number, length: number): Promise<'skipped' | undefined> {
    if (option === OPT.EXPORT_NAME) throw violation(`it asked for an export with a name of ${length} bytes`);
    if (!(await this.#parts.reader.skip(length))) return undefined;
    this.#reply(option, REP.ERR_TOO_BIG, Buffer.from(`an option may have ${OPTION_LIMIT} bytes`));
    return 'skipped';
  }

  async #answer(option: number, data: Buffer): Promise<Session | undefined> {
    switch (option) {
      case OPT.EXPORT_NAME:
        return this.#exportName(data.toString());
      case OPT.LIST:
        return this.#list(data);
      case OPT.INFO:
      case OPT.GO:
        return this.#infoOrGo(option, data);
      case OPT.STRUCTURED_REPLY:
        if (data.length > 0) return this.#reply(option, REP.ERR_INVALID);
        this.#structured = true;
        return this.#reply(option, REP.ACK);
      case OPT.LIST_META_CONTEXT:
      case OPT.SET_META_CONTEXT:
        return this.#metaContext(option, data);
      default:
        // STARTTLS too: this server is for local sockets and for networks that are protected otherwise.
        return this.#reply(option, REP.ERR_UNSUP);
    }
  }

  async #exportName(name: string): Promise<Session> {
    const exported = await this.#lookUp(name);
    // This oldest of options knows no error reply.
    if (exported === undefined) throw violation(`it asked for export ${JSON.stringify(name)}, which there is not`);
    const reply = Buffer.alloc(this.#noZeroes ? 10 : 10 + 124);
    reply.writeBigUInt64BE(BigInt(exported.device.size), 0);
    reply.writeUInt16BE(transmissionFlags(exported, this.#structured), 8);
    this.#parts.socket.write(reply);
    return this.#session(name, exported);
  }

  #list(data: Buffer): undefined {
    if (data.length > 0) return this.#reply(OPT.LIST, REP.ERR_INVALID);
    for (const name of this.#parts.exports.keys()) this.#reply(OPT.LIST, REP.SERVER, encodeString(name));
    return this.#reply(OPT.LIST, REP.ACK);
  }

  async #infoOrGo(option: number, data: Buffer): Promise<Session | undefined> {
    const query = parseExportQuery(data);
    if (query === undefined) return this.#reply(option, REP.ERR_INVALID);
    const exported = await this.#lookUp(query.name);
    if (exported === undefined) return this.#unknown(option);
    const info = Buffer.alloc(12);
    info.writeUInt16BE(INFO.EXPORT, 0);
    info.writeBigUInt64BE(BigInt(exported.device.size), 2);
    info.writeUInt16BE(transmissionFlags(exported, this.#structured), 10);
    this.#reply(option, REP.INFO, info);
    if (query.wanted.includes(INFO.NAME)) this.#reply(option, REP.INFO, textInfo(INFO.NAME, query.name));
    if (query.wanted.includes(INFO.DESCRIPTION) && exported.description !== undefined) {
      this.#reply(option, REP.INFO, textInfo(INFO.DESCRIPTION, exported.description));
    }
    const sizes = Buffer.alloc(14);
    sizes.writeUInt16BE(INFO.BLOCK_SIZE, 0);
    sizes.writeUInt32BE(MINIMUM_BLOCK, 2);
    sizes.writeUInt32BE(PREFERRED_BLOCK, 6);
    sizes.writeUInt32BE(PAYLOAD_LIMIT, 10);
    this.#reply(option, REP.INFO, sizes);
    this.#reply(option, REP.ACK);
    return option === OPT.GO ? this.#session(query.name, exported) : undefined;
  }

  async #metaContext(option: number, data: Buffer): Promise<undefined> {
    const setting = option === OPT.SET_META_CONTEXT;
    if (setting) this.#allocationFor = undefined;
    const query = parseMetaQuery(data);
    if (query === undefined || !this.#structured) return this.#reply(option, REP.ERR_INVALID);
    const exported = await this.#lookUp(query.name);
    if (exported === undefined) return this.#unknown(option);
    if (exported.describesAllocation === false) return this.#reply(option, REP.ACK);
    const all = !setting && (query.contexts.length === 0 || query.contexts.includes('base:'));
    if (all || query.contexts.includes(ALLOCATION_CONTEXT)) {
      const context = Buffer.from(`\0\0\0\0${ALLOCATION_CONTEXT}`);
      context.writeUInt32BE(setting ? ALLOCATION_ID : 0);
      this.#reply(option, REP.META_CONTEXT, context);
      if (setting) this.#allocationFor = query.name;
    }
    return this.#reply(option, REP.ACK);
  }

  async #lookUp(name: string): Promise<NbdExport | undefined> {
    try {
      return await this.#parts.exports.get(name);
    } catch (reason) {
      this.#parts.report(fromSystem(reason, `export ${JSON.stringify(name)}`));
      return undefined;
    }
  }

  #session(name: string, exported: NbdExport): Session {
    return { name, exported, structured: this.#structured, allocation: this.#allocationFor === name };
  }

  #unknown(option: number): undefined {
    return this.#reply(option, REP.ERR_UNKNOWN, Buffer.from('there is no such export'));
  }

  #reply(option: number, type: number, data: Buffer = Buffer.alloc(0)): undefined {
    const header = Buffer.alloc(20);
    header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
    header.writeUInt32BE(option, 8);
    header.writeUInt32BE(type, 12);
    header.writeUInt32BE(data.length, 16);
    this.#parts.socket.write(Buffer.concat([header, data]));
    return undefined;
  }
}

/** False when the connection ends before. */
const drained = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.once('drain', () => resolve(true));
    socket.once('close', () => resolve(false));
  });

const textInfo = (kind: number, text: string): Buffer => {
  const info = Buffer.from(`\0\0${text}`);
  info.writeUInt16BE(kind);
  return info;
};

/** A client broke the protocol so that it can't be answered. */
export const violation = (why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', { thing: 'NBD client', why, remedy: 'find out who connects here; the connection was ended' });

/** The server's side of a fixed newstyle negotiation. Undefined when the client left; throws PROTOCOL_VIOLATION when it must be sent away. */
export const negotiate = (parts: NegotiationParts): Promise<Session | undefined> => new Negotiation(parts).run();
