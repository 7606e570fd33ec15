import { setTimeout as sleep } from 'node:timers/promises';
import { type BlockDevice, createDeviceGuard, type DeviceGuard, type Extent, mergeExtents } from '@holdfast/block';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { describeAddress, type NbdAddress } from './address.ts';
import { type ClientConnection, type Command, connect, type StatusDescriptor } from './client-connection.ts';
import { createLimiter } from './limiter.ts';
import { CMD, FLAG, STATE } from './protocol.ts';

export interface NbdClientOptions {
  readonly address: NbdAddress;
  /** Name of the export; the default export unless told. */
  readonly export?: string;
  /** Time the server has for each request, and for the handshake. 30 s unless told. */
  readonly deadlineMilliseconds?: number;
  /** How long a lost connection is tried to be made again; 0, not at all, unless told. */
  readonly reconnectMilliseconds?: number;
}

/** Longer reads and writes travel in pieces of this many bytes, several at once. */
const PIECE = 1024 * 1024;
/** Ranges to zero, and to be described, travel without data, so in longer pieces. */
const RANGE_PIECE = 32 * 1024 * 1024;
const STATUS_PIECE = 1024 * 1024 * 1024;
const ZEROES = new Uint8Array(PIECE);
const REQUESTS = 16;
const RETRY_MILLISECONDS = 100;

class NbdClient implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #options: Required<NbdClientOptions>;
  readonly #name: string;
  readonly #guard: DeviceGuard;
  readonly #limit = createLimiter(REQUESTS);
  #connection: ClientConnection;
  #connecting: Promise<ClientConnection> | undefined;
  // Writes that were answered and not flushed since; those of a lost connection can't be vouched for any more.
  #unflushed = 0;
  #lostWrites: HoldfastError | undefined;

  constructor(options: Required<NbdClientOptions>, connection: ClientConnection) {
    this.#options = options;
    this.#connection = connection;
    this.size = connection.agreement.size;
    this.readOnly = (connection.agreement.flags & FLAG.READ_ONLY) !== 0;
    this.#name = `NBD export ${JSON.stringify(options.export)} of ${describeAddress(options.address)}`;
    this.#guard = createDeviceGuard({ name: this.#name, size: this.size, readOnly: this.readOnly });
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#guard.read(offset, target.length, () =>
      this.#inPieces(offset, target.length, PIECE, async (at, length) => {
        await this.#ask({ type: CMD.READ, offset: at, length, target: target.subarray(at - offset, at - offset + length) });
      }),
    );
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#guard.write(offset, data.length, () =>
      this.#inPieces(offset, data.length, PIECE, (at, length) =>
        this.#change({ type: CMD.WRITE, offset: at, length, data: data.subarray(at - offset, at - offset + length) }),
      ),
    );
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#guard.write(offset, length, async () => {
      const able = (this.#connection.agreement.flags & FLAG.SEND_WRITE_ZEROES) !== 0;
      await this.#inPieces(offset, length, able ? RANGE_PIECE : PIECE, (at, part) =>
        this.#change(
          able
            ? { type: CMD.WRITE_ZEROES, offset: at, length: part }
            : { type: CMD.WRITE, offset: at, length: part, data: ZEROES.subarray(0, part) },
        ),
      );
    });
  }

  flush(): Promise<void> {
    return this.#guard.read(0, 0, async () => {
      const covered = this.#unflushed;
      if ((this.#connection.agreement.flags & FLAG.SEND_FLUSH) !== 0) await this.#ask({ type: CMD.FLUSH, offset: 0, length: 0 });
      if (this.#lostWrites !== undefined) throw this.#lostWrites;
      this.#unflushed -= covered;
    });
  }

  allocated(offset: number, length: number): Promise<Extent[]> {
    return this.#guard.read(offset, length, async () => {
      if (this.#connection.agreement.allocationId === undefined) return mergeExtents([{ offset, length }]);
      const extents: Extent[] = [];
      await this.#inPieces(offset, length, STATUS_PIECE, (at, part) => this.#status(at, at + part, extents));
      return mergeExtents(extents);
    });
  }

  close(): Promise<void> {
    return this.#guard.close(() => this.#connection.close());
  }

  /** Adds what may hold data from `offset` to `end`; the server tells as much at a time as it likes. */
  async #status(offset: number, end: number, extents: Extent[]): Promise<void> {
    for (let at = offset; at < end; ) {
      const start = at;
      for (const { length, flags } of await this.#ask({ type: CMD.BLOCK_STATUS, offset: at, length: end - at })) {
        const part = Math.min(length, end - at);
        if ((flags & STATE.ZERO) === 0) extents.push({ offset: at, length: part });
        at += part;
      }
      if (at === start) throw this.#violation('it describes nothing of a range');
    }
  }

  async #inPieces(offset: number, length: number, piece: number, work: (at: number, length: number) => Promise<void>): Promise<void> {
    const { minimumBlock, maximumPayload } = this.#connection.agreement;
    if (offset % minimumBlock !== 0 || length % minimumBlock !== 0) {
      throw new HoldfastError('UNSUPPORTED_OPERATION', {
        thing: this.#name,
        why: `the server takes multiples of ${minimumBlock} bytes only`,
        remedy: 'use whole blocks, or a server without that limit',
      });
    }
    const step = piece === PIECE ? Math.min(PIECE, maximumPayload - (maximumPayload % minimumBlock)) : piece;
    const parts: Promise<void>[] = [];
    for (let done = 0; done < length; done += step) {
      parts.push(this.#limit(() => work(offset + done, Math.min(step, length - done))));
    }
    // All of them, even after an error: nothing may touch the caller's memory when this has ended.
    for (const { reason } of (await Promise.allSettled(parts)).filter((part) => part.status === 'rejected')) throw reason;
  }

  /** A request that changes nothing, so it can be repeated on a new connection. */
  async #ask(command: Command): Promise<readonly StatusDescriptor[]> {
    const giveUp = performance.now() + this.#options.reconnectMilliseconds;
    for (;;) {
      const connection = await this.#connected(giveUp);
      try {
        return await connection.request(command);
      } catch (reason) {
        if (!isHoldfastError(reason, 'CONNECTION_LOST') || performance.now() >= giveUp) throw reason;
      }
    }
  }

  /**
   * A request that changes something is never repeated: what the server still has of the lost connection could be carried out late, over
   * a newer write.
   */
  async #change(command: Command): Promise<void> {
    const connection = await this.#connected(performance.now() + this.#options.reconnectMilliseconds);
    await connection.request(command);
    this.#unflushed += 1;
  }

  async #connected(giveUp: number): Promise<ClientConnection> {
    if (!this.#connection.lost) return this.#connection;
    this.#connecting ??= this.#reconnect(giveUp).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #reconnect(giveUp: number): Promise<ClientConnection> {
    if (this.#unflushed > 0) {
      this.#lostWrites ??= new HoldfastError('CONNECTION_LOST', {
        thing: this.#name,
        why: 'the connection was lost after writes that had not been flushed; whether the server still has them is unknown',
        remedy: 'open it again and repeat everything since the last flush',
      });
    }
    for (;;) {
      try {
        const connection = await connect(this.#options.address, this.#options.export, this.#options.deadlineMilliseconds);
        await this.#checkSame(connection);
        this.#connection = connection;
        return connection;
      } catch (reason) {
        if (!isHoldfastError(reason, 'CONNECTION_LOST') || performance.now() + RETRY_MILLISECONDS >= giveUp) throw reason;
        await sleep(RETRY_MILLISECONDS);
      }
    }
  }

  async #checkSame(connection: ClientConnection): Promise<void> {
    const readOnly = (connection.agreement.flags & FLAG.READ_ONLY) !== 0;
    if (connection.agreement.size === this.size && readOnly === this.readOnly) return;
    await connection.close();
    throw new HoldfastError('DEVICE_CHANGED', {
      thing: this.#name,
      why: 'after the connection was made again its size or its mode was another',
      remedy: 'open it again',
    });
  }

  #violation(why: string): HoldfastError {
    return new HoldfastError('PROTOCOL_VIOLATION', { thing: this.#name, why, remedy: 'use another server' });
  }
}

/**
 * Opens an export of an NBD server as a block device. Reads survive a lost connection if `reconnectMilliseconds` allows; a write under way
 * then fails, and so does the next flush, because the server may have lost what was not flushed. Errors: CONNECTION_LOST,
 * OBJECT_NOT_FOUND (no such export), PROTOCOL_VIOLATION, UNSUPPORTED_OPERATION.
 */
export const createNbdClient = async (options: NbdClientOptions): Promise<BlockDevice> => {
  const all = { export: '', deadlineMilliseconds: 30_000, reconnectMilliseconds: 0, ...options };
  return new NbdClient(all, await connect(all.address, all.export, all.deadlineMilliseconds));
};
