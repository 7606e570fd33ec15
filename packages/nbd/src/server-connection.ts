import type { Socket } from 'node:net';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import type { BufferPool } from './buffer-pool.ts';
import { type ByteReader, createByteReader } from './byte-reader.ts';
import type { NbdExports } from './exports.ts';
import { createReplyWriter } from './reply-writer.ts';
import { negotiate } from './server-handshake.ts';
import { createTransmission, type Transmission } from './transmission.ts';

/** Bounds what clients, hostile ones included, can make a server hold. */
export interface NbdLimits {
  /** Connections at once; a further one is closed right away. 64 unless told. */
  readonly connections?: number;
  /** Requests of one connection under way at once. 128 unless told. */
  readonly requests?: number;
  /** Bytes of data of one connection's requests in memory. One larger request is served alone. 32 MiB unless told. */
  readonly bytes?: number;
  /** Time a client has to choose an export. 30 s unless told. */
  readonly handshakeMilliseconds?: number;
  /** Time requests under way have to end, and their replies to be taken, before a connection is cut when the server is closed. 5 s unless told. */
  readonly closeMilliseconds?: number;
}

/** Where an error happened. */
export interface NbdErrorContext {
  /** Address of the client; empty for a Unix socket. */
  readonly client: string;
  /** Name of the export, once the client has chosen one. */
  readonly export?: string;
  /** The request, in words. */
  readonly request?: string;
}

export interface ConnectionParts {
  readonly socket: Socket;
  readonly exports: NbdExports;
  readonly pool: BufferPool;
  readonly limits: Required<NbdLimits>;
  readonly onError: (error: HoldfastError, context: NbdErrorContext) => void;
}

/** One client. */
export interface ServerConnection {
  /** Resolves, never rejects, when the connection is closed and nothing of it is under way. */
  readonly closed: Promise<void>;
  /** Takes no further request, answers those under way and says goodbye. */
  stop(): void;
}

class NbdConnection implements ServerConnection {
  readonly closed: Promise<void>;
  readonly #parts: ConnectionParts;
  readonly #reader: ByteReader;
  readonly #client: string;
  #choosing = true;

  constructor(parts: ConnectionParts) {
    const { socket } = parts;
    this.#parts = parts;
    this.#client = socket.remoteAddress ?? '';
    // A connection that breaks is seen as the end of its bytes.
    socket.on('error', () => {});
    this.#reader = createByteReader(socket);
    this.closed = this.#run();
  }

  stop(): void {
    this.#reader.stop();
    if (this.#choosing) this.#parts.socket.destroy();
    this.#destroyAfter(this.#parts.limits.closeMilliseconds);
  }

  async #run(): Promise<void> {
    const { socket, pool, limits } = this.#parts;
    const ended = new Promise((resolve) => socket.once('close', resolve));
    let transmission: Transmission | undefined;
    let name: string | undefined;
    try {
      const handshakeTimer = this.#destroyAfter(this.#parts.limits.handshakeMilliseconds);
      const session = await negotiate({ ...this.#parts, reader: this.#reader, report: (error) => this.#report(error) });
      clearTimeout(handshakeTimer);
      this.#choosing = false;
      if (session !== undefined) {
        name = session.name;
        const writer = createReplyWriter(socket, session.structured, pool);
        const report = (error: HoldfastError, request: string): void => this.#report(error, name, request);
        transmission = createTransmission({ session, reader: this.#reader, writer, pool, limits, report });
        await transmission.serve();
      }
    } catch (reason) {
      this.#report(fromSystem(reason, 'NBD connection', 'INTERNAL'), name);
      socket.destroy();
    }
    await transmission?.idle();
    socket.end();
    // The client has had its replies; what it still sends is of no interest.
    socket.resume();
    this.#destroyAfter(this.#parts.limits.closeMilliseconds);
    await ended;
  }

  #destroyAfter(milliseconds: number): NodeJS.Timeout | undefined {
    if (this.#parts.socket.closed) return undefined;
    const timer = setTimeout(() => this.#parts.socket.destroy(), milliseconds);
    this.#parts.socket.once('close', () => clearTimeout(timer));
    return timer;
  }

  #report(error: HoldfastError, name?: string, request?: string): void {
    const context = {
      client: this.#client,
      ...(name === undefined ? {} : { export: name }),
      ...(request === undefined ? {} : { request }),
    };
    this.#parts.onError(error, context);
  }
}

/** Serves a client that just connected. */
export const serveConnection = (parts: ConnectionParts): ServerConnection => new NbdConnection(parts);
