import type { ServerHttp2Session } from 'node:http2';

/** Milliseconds: how often a sign of life is asked for, and how long it may take. */
const INTERVAL = 20_000;
const PATIENCE = 10_000;

/** Ends a connection whose other side is gone without a word: the control streams on it would seem alive for hours. */
export const keepAlive = (session: ServerHttp2Session, interval = INTERVAL, patience = PATIENCE): void => {
  let late: NodeJS.Timeout | undefined;
  const ask = setInterval(() => {
    // One that was destroyed says so a moment later only, and asking it throws.
    if (late !== undefined || session.destroyed) return;
    late = setTimeout(() => session.destroy(), patience);
    const asked = session.ping(() => {
      clearTimeout(late);
      late = undefined;
    });
    if (!asked) session.destroy();
  }, interval);
  session.once('close', () => {
    clearInterval(ask);
    clearTimeout(late);
  });
};
