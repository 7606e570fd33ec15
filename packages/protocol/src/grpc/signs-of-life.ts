import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** Milliseconds of silence after which the other side is asked for a sign of life, and those it has to answer. */
export interface Keepalive {
  readonly interval: number;
  readonly answer: number;
}

/** How often is looked, an interval. */
const LOOKS = 4;

/**
 * The server sees to it that something goes each way at least every `interval`, and asks only where nothing does: most connections carry a cut and its
 * receipt every few seconds, and the library's own pings, from both sides whatever else is said, were a third of all frames of an idle fleet.
 * Who hears nothing for `interval` and `answer` takes the other side for gone. Counted in looks, since after a sleep of this program what came meanwhile
 * is not read yet.
 */
const watch = (
  counts: Pick<Socket, 'bytesRead' | 'bytesWritten'>,
  { interval, answer }: Keepalive,
  on: { quiet(): void; gone(): void },
): (() => void) => {
  const pause = interval / LOOKS;
  const patience = Math.ceil((interval + answer) / pause);
  let [read, written] = [-1, -1];
  let [unheard, unsaid] = [0, 0];
  const timer = setInterval(() => {
    const { bytesRead, bytesWritten } = counts;
    unheard = bytesRead === read ? unheard + 1 : 0;
    unsaid = bytesWritten === written ? unsaid + 1 : 0;
    [read, written] = [bytesRead, bytesWritten];
    if (unheard >= patience) {
      clearInterval(timer);
      on.gone();
    } else if (Math.max(unheard, unsaid) >= LOOKS - 1) on.quiet();
  }, pause);
  timer.unref();
  return () => clearInterval(timer);
};

/** Asks clients for signs of life, and cuts off those that give none. */
export const askForSigns = (session: ServerHttp2Session, keepalive: Keepalive): void => {
  const { socket } = session;
  // Behind a session that is over there is no socket any more, and asking for it throws.
  const counts = {
    get bytesRead() {
      return session.destroyed ? 0 : socket.bytesRead;
    },
    get bytesWritten() {
      return session.destroyed ? 0 : socket.bytesWritten;
    },
  };
  let isAsked = false;
  const over = watch(counts, keepalive, {
    quiet() {
      if (isAsked || session.destroyed || session.closed) return;
      isAsked = session.ping(() => {
        isAsked = false;
      });
    },
    gone: () => session.destroy(),
  });
  session.once('close', over);
};

/** Calls `gone` when nothing comes from a server that asks for signs as above, or as the library does. */
export const hearSigns = (socket: Socket, keepalive: Keepalive, gone: () => void): void => {
  const over = watch(socket, keepalive, { quiet: () => undefined, gone });
  socket.once('close', over);
};
