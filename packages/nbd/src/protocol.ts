/*
 * The numbers of the NBD protocol, by the names they have in its specification, `doc/proto.md` of the NetworkBlockDevice project. All
 * fields are big-endian. Only what Holdfast uses is here.
 */

export const INIT_MAGIC = 0x4e42444d41474943n; // "NBDMAGIC"
export const OPTION_MAGIC = 0x49484156454f5054n; // "IHAVEOPT"
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Handshake flags of the server; the client answers with the same bits. */
export const HANDSHAKE = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

export const OPT = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

const ERROR_BIT = 0x8000_0000;

export const REP = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: ERROR_BIT + 1,
  ERR_INVALID: ERROR_BIT + 3,
  ERR_UNKNOWN: ERROR_BIT + 6,
  ERR_TOO_BIG: ERROR_BIT + 9,
} as const;

/** True for the final reply that refuses an option. */
export const isErrorReply = (type: number): boolean => type >= ERROR_BIT;

export const INFO = { EXPORT: 0, NAME: 1, DESCRIPTION: 2, BLOCK_SIZE: 3 } as const;

/** Transmission flags: what an export can do. */
export const FLAG = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_CACHE: 1 << 10,
} as const;

export const CMD = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, CACHE: 5, WRITE_ZEROES: 6, BLOCK_STATUS: 7 } as const;

export const CMD_FLAG = { FUA: 1, NO_HOLE: 2, DF: 4, REQ_ONE: 8 } as const;

export const REPLY = { NONE: 0, OFFSET_DATA: 1, OFFSET_HOLE: 2, BLOCK_STATUS: 5, ERROR: 0x8001, ERROR_OFFSET: 0x8002 } as const;
export const REPLY_FLAG_DONE = 1;

/** True for a chunk that says the request failed. */
export const isErrorChunk = (type: number): boolean => (type & 0x8000) !== 0;

export const STATE = { HOLE: 1, ZERO: 2 } as const;

/** The one metadata context there is. */
export const ALLOCATION_CONTEXT = 'base:allocation';

/** Bytes of a string in the protocol at most. */
export const STRING_LIMIT = 4096;
/** Bytes of data in one request or reply at most: what clients may assume where nothing else is agreed on. */
export const PAYLOAD_LIMIT = 32 * 1024 * 1024;

export const REQUEST_SIZE = 28;
export const SIMPLE_REPLY_SIZE = 16;
export const STRUCTURED_REPLY_SIZE = 20;

/** The two halves of a request's cookie: whatever the client put there comes back in the reply. */
export interface Cookie {
  readonly high: number;
  readonly low: number;
}

export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: Cookie;
  /** Exact up to 2^53; beyond that merely larger than any device. */
  readonly offset: number;
  readonly length: number;
}

/** Undefined when the magic number is wrong. */
export const decodeRequest = (header: Buffer): Request | undefined => {
  if (header.readUInt32BE(0) !== REQUEST_MAGIC) return undefined;
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    cookie: { high: header.readUInt32BE(8), low: header.readUInt32BE(12) },
    offset: header.readUInt32BE(16) * 2 ** 32 + header.readUInt32BE(20),
    length: header.readUInt32BE(24),
  };
};

export const encodeRequest = ({ flags, type, cookie, offset, length }: Request): Buffer => {
  const header = Buffer.allocUnsafe(REQUEST_SIZE);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeUInt32BE(cookie.high, 8);
  header.writeUInt32BE(cookie.low, 12);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return header;
};

/** What a person calls a command. */
export const commandName = (type: number): string =>
  Object.entries(CMD)
    .find(([, number]) => number === type)?.[0]
    .toLowerCase()
    .replaceAll('_', ' ') ?? `command ${type}`;
