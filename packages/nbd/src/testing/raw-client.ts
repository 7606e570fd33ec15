import net, { type Socket } from 'node:net';
import type { NbdAddress } from '../address.ts';
import { type ByteReader, createByteReader } from '../byte-reader.ts';
import { encodeRequest, type Request } from '../protocol.ts';

/** A client that sends whatever bytes a test wants and sees whatever bytes come back. */
export interface RawClient {
  readonly socket: Socket;
  /** Hexadecimal text (spaces are ignored) or bytes. */
  send(...parts: readonly (string | Uint8Array)[]): void;
  /** The next bytes, in hexadecimal. */
  hex(length: number): Promise<string>;
  bytes(length: number): Promise<Buffer>;
  /** Resolves when the server has ended the connection; throws if it sends anything before. */
  ended(): Promise<void>;
  close(): void;
}

/** `address` is the path of a Unix socket, or a TCP address. */
export const connectRaw = async (address: string | NbdAddress): Promise<RawClient> => {
  const socket = net.connect(typeof address === 'string' ? { path: address } : address);
  // A server may end the connection while we still send.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const reader: ByteReader = createByteReader(socket);
  const bytes = async (length: number): Promise<Buffer> => {
    const target = Buffer.alloc(length);
    if (!(await reader.fill(target))) throw new Error(`the connection ended before ${length} bytes came`);
    return target;
  };
  await new Promise((resolve) => socket.once('connect', resolve));
  return {
    socket,
    bytes,
    send: (...parts) => {
      socket.write(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part))));
    },
    hex: async (length) => (await bytes(length)).toString('hex'),
    ended: async () => {
      const more = await reader.read(1);
      if (more !== undefined) throw new Error('the server sent something');
      socket.end();
      await closed;
    },
    close: () => socket.destroy(),
  };
};

export const GREETING = '4e42444d41474943' + '49484156454f5054' + '0003';
export const FIXED_NO_ZEROES = '00000003';

/** An option as a client sends it. */
export const option = (number: number, data: Uint8Array | string = ''): Buffer => {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const header = Buffer.from('49484156454f50540000000000000000', 'hex');
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(bytes.length, 12);
  return Buffer.concat([header, bytes]);
};

/** The start of a reply to an option, in hexadecimal. */
export const optionReply = (number: number, type: number, data = ''): string =>
  `0003e889045565a9${hex32(number)}${hex32(type)}${hex32(data.length / 2)}${data}`;

export const hex32 = (value: number): string => value.toString(16).padStart(8, '0');
export const hex64 = (value: number): string => value.toString(16).padStart(16, '0');

export const request = (fields: Partial<Request>, data: Uint8Array = new Uint8Array(0)): Buffer =>
  Buffer.concat([encodeRequest({ flags: 0, type: 0, cookie: { high: 0xaabbccdd, low: 1 }, offset: 0, length: 0, ...fields }), data]);

/** Goes through the handshake to the transmission phase; `contexts` asks for block status, which needs structured replies. */
export const enter = async (
  address: string | NbdAddress,
  name = '',
  structured: 'simple' | 'structured' | 'contexts' = 'simple',
): Promise<RawClient> => {
  const client = await connectRaw(address);
  await client.bytes(18);
  client.send(FIXED_NO_ZEROES);
  if (structured !== 'simple') {
    client.send(option(8));
    await client.bytes(20);
  }
  if (structured === 'contexts') {
    client.send(option(10, `${text(name)}${String.fromCharCode(0, 0, 0, 1)}${text('base:allocation')}`));
    await client.bytes(20 + 4 + 15 + 20);
  }
  client.send(option(1, name));
  await client.bytes(10);
  return client;
};

const text = (value: string): string => String.fromCharCode(0, 0, 0, value.length) + value;
