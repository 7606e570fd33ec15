import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';

/** Milliseconds a connection may be open without any call. */
const PATIENCE = 300_000;

/** Closes a connection on which nothing is called: whoever has no name could keep one, and with it its place, for ever. */
export const endIdle = (session: ServerHttp2Session, patience = PATIENCE): void => {
  let open = 0;
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    timer = setTimeout(() => session.close(), patience);
  };
  session.on('stream', (stream: ServerHttp2Stream) => {
    clearTimeout(timer);
    open += 1;
    stream.once('close', () => {
      open -= 1;
      if (open === 0 && !session.destroyed) wait();
    });
  });
  session.once('close', () => clearTimeout(timer));
  wait();
};
