import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy that adds time to each way and can break what runs through it. */
export interface DelayingProxy {
  readonly port: number;
  /** Connections that go through it now. */
  readonly connections: number;
  /** Cuts all connections; new ones go through. */
  cut(): void;
  /** Swallows all that comes from now on, and tells nobody: what a dead link does. */
  swallow(): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly due: number;
  readonly bytes: Buffer;
}

/** Bytes on their way in one direction before the sender is held: far more than any window that is tested. */
const PIPE = 256 * 1024 * 1024;

/** Passes bytes on when they are `delay` milliseconds old, in order, one timer at a time. */
const pass = (from: Socket, to: Socket, delay: number, swallowing: () => boolean): void => {
  const waiting: Waiting[] = [];
  let held = 0;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    const now = performance.now();
    for (let next = waiting[0]; next !== undefined && next.due <= now; next = waiting[0]) {
      waiting.shift();
      held -= next.bytes.length;
      if (to.writable) to.write(next.bytes);
    }
    if (held < PIPE && from.isPaused()) from.resume();
    if (waiting[0] !== undefined) timer = setTimeout(deliver, Math.max(1, waiting[0].due - now));
  };
  from.on('data', (bytes: Buffer) => {
    if (swallowing()) return;
    waiting.push({ due: performance.now() + delay, bytes });
    held += bytes.length;
    if (held >= PIPE) from.pause();
    if (timer === undefined) timer = setTimeout(deliver, delay);
  });
  from.on('end', () => setTimeout(() => to.end(), delay + 1));
  from.on('error', () => to.destroy());
  from.on('close', () => {
    to.destroySoon();
  });
};

/** Passes connections on to 127.0.0.1:`port`; each byte arrives half of `roundTrip` milliseconds later, both ways. */
export const startDelayingProxy = async (port: number, roundTrip: number): Promise<DelayingProxy> => {
  const sockets = new Set<Socket>();
  let swallow = false;
  const swallowing = (): boolean => swallow;
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    pass(near, far, roundTrip / 2, swallowing);
    pass(far, near, roundTrip / 2, swallowing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size / 2;
    },
    cut,
    swallow: () => {
      swallow = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
};
