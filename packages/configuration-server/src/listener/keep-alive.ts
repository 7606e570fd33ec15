import type { ServerHttp2Session } from 'node:http2';

/** Milliseconds: how often a sign of life is asked for, and how long it may take. */
const INTERVAL = 20_000;
const PATIENCE = 10_000;

/** Bytes a second of the slowest line that counts as alive. */
const SLOWEST = 16 * 1024;
/** Bytes that wait on their way at most: the buffers of both systems. */
const MOST_UNDER_WAY = 8 * 1024 * 1024;

/**
 * Ends a connection whose other side is gone without a word: the control streams on it would seem alive for hours. The question is answered behind
 * all that was written before it: of a bundle that is fetched over a thin line that may be minutes, for which it has time.
 */
export const keepAlive = (session: ServerHttp2Session, interval = INTERVAL, patience = PATIENCE): void => {
  let late: NodeJS.Timeout | undefined;
  /** Of what was written: certainly received. */
  let received = 0;
  const ask = setInterval(() => {
    // One that was destroyed says so a moment later only, and asking it throws.
    if (late !== undefined || session.destroyed) return;
    const { bytesWritten } = session.socket;
    const underWay = Math.min(bytesWritten - received, MOST_UNDER_WAY);
    late = setTimeout(() => session.destroy(), patience + (1000 * underWay) / SLOWEST);
    const asked = session.ping(() => {
      clearTimeout(late);
      late = undefined;
      received = bytesWritten;
    });
    if (!asked) session.destroy();
  }, interval);
  session.once('close', () => {
    clearInterval(ask);
    clearTimeout(late);
  });
};
