import { mkdtemp, rm } from 'node:fs/promises';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteReader, createByteReader } from '../byte-reader.ts';
import { decodeRequest, REQUEST_SIZE, type Request } from '../protocol.ts';
import { GREETING, hex64, optionReply } from './raw-client.ts';

/** What a test lets a server do with one client; `reader` and `socket` are the whole connection. */
export type Behaviour = (socket: Socket, reader: ByteReader, connection: number) => Promise<void>;

export interface RawServer {
  readonly address: { readonly path: string };
  /** Connections so far. */
  readonly connections: number;
  close(): Promise<void>;
}

/** A server that does whatever a test wants. */
export const startRaw = async (behave: Behaviour): Promise<RawServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  const path = join(directory, 'nbd.sock');
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    void behave(socket, createByteReader(socket), connections).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    address: { path },
    get connections() {
      return connections;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
};

export const sendHex = (socket: Socket, ...parts: readonly string[]): void => {
  socket.write(Buffer.from(parts.join(''), 'hex'));
};

/** An honest handshake for an export of `size` bytes with flags `flags`; block status has number 7. */
export const offer = async (socket: Socket, reader: ByteReader, size: number, flags = '056d'): Promise<void> => {
  sendHex(socket, GREETING);
  await reader.skip(4);
  for (;;) {
    const header = await reader.read(16);
    if (header === undefined) throw new Error('the client left');
    const option = header.readUInt32BE(8);
    await reader.skip(header.readUInt32BE(12));
    if (option === 10) sendHex(socket, optionReply(10, 4, `00000007${Buffer.from('base:allocation').toString('hex')}`));
    if (option === 7) sendHex(socket, optionReply(7, 3, `0000${hex64(size)}${flags}`));
    sendHex(socket, optionReply(option, 1));
    if (option === 7) return;
  }
};

/** The next request; a client that leaves ends the behaviour. */
export const nextRequest = async (reader: ByteReader): Promise<Request & { cookieHex: string }> => {
  const header = await reader.read(REQUEST_SIZE);
  const decoded = header === undefined ? undefined : decodeRequest(header);
  if (decoded === undefined) throw new Error('the client left');
  return { ...decoded, cookieHex: header!.subarray(8, 16).toString('hex') };
};
