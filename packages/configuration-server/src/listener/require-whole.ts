import type { Http2ServerRequest } from 'node:http2';

/** Milliseconds; of HTTP/1.1 the listener's own limit counts. */
const PATIENCE = 120_000;

/** Ends a call of HTTP/2 whose request does not come whole in time: until it does nothing of it can be refused, and it costs a place. */
export const requireWhole = (request: Http2ServerRequest, patience = PATIENCE): void => {
  const late = setTimeout(() => request.stream.close(), patience);
  for (const end of ['end', 'close'] as const) request.once(end, () => clearTimeout(late));
};
