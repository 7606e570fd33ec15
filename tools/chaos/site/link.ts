import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What a link does with what runs through it: `open`; `cut`: connections are reset and refused; `dead`: nothing arrives any more, in either direction,
 * and nobody is told, also of new connections; `thin`: at most so many bytes a second each way.
 */
export type LinkState =
  | { readonly kind: 'open' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'dead' }
  | { readonly kind: 'thin'; readonly bytesPerSecond: number };

/** A piece of network before a port, whose condition can be changed at any time. */
export interface Link {
  readonly host: string;
  readonly port: number;
  state: LinkState;
  /** Resets all connections that run through it now. */
  reset(): void;
  close(): Promise<void>;
}

/** Bytes passed on at once where the link is thin. */
const SIP = 4096;
const OPEN: LinkState = { kind: 'open' };

/** A TCP proxy at this address before a port of 127.0.0.1. */
export const openLink = async (target: number, host = '127.0.0.1'): Promise<Link> => {
  const sockets = new Set<Socket>();
  let state: LinkState = OPEN;
  /** Called whenever the state changes. */
  const waiting = new Set<() => void>();

  /** Data goes on, in order, whenever the state lets it; what waits holds its sender. */
  const pass = (from: Socket, to: Socket): void => {
    let timer: NodeJS.Timeout | undefined;
    let isFull = false;
    to.on('drain', () => {
      isFull = false;
      flow();
    });
    const flow = (): void => {
      if (isFull || timer !== undefined || state.kind === 'dead' || state.kind === 'cut' || !to.writable) return;
      const bytes = state.kind === 'thin' ? (from.read(Math.min(SIP, Math.max(1, from.readableLength))) as Buffer | null) : from.read();
      if (bytes === null) {
        if (from.readableEnded) to.end();
        return;
      }
      isFull = !to.write(bytes);
      if (state.kind === 'thin') {
        timer = setTimeout(
          () => {
            timer = undefined;
            flow();
          },
          (bytes.length / state.bytesPerSecond) * 1000,
        );
      } else if (!isFull) setImmediate(flow);
    };
    from.on('readable', flow);
    from.on('end', flow);
    waiting.add(flow);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      clearTimeout(timer);
      waiting.delete(flow);
      // In a dead network nobody hears that the other side is gone.
      if (state.kind !== 'dead') to.destroySoon();
    });
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    if (state.kind === 'cut') return void near.resetAndDestroy();
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    host,
    port: (server.address() as AddressInfo).port,
    get state() {
      return state;
    },
    set state(next) {
      const wasDead = state.kind === 'dead';
      state = next;
      // Whatever was lost in a dead network never comes again: its connections end once it lives.
      if (next.kind === 'cut' || (wasDead && next.kind !== 'dead')) reset();
      for (const flow of waiting) flow();
    },
    reset,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        reset();
      }),
  };
};
