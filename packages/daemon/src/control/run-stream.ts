import { HoldfastError } from '@holdfast/errors';
import { fromConnect } from '@holdfast/protocol';
import type { ServerLink } from '../membership/server-link.ts';

/** How messages of one kind of control stream are made, and how it is called. */
export interface StreamKind<Request, Response> {
  call(
    control: ServerLink['control'],
    requests: AsyncIterable<Request>,
    options: { readonly signal: AbortSignal; readonly onHeader: () => void },
  ): AsyncIterable<Response>;
}

export interface StreamOptions<Request, Response> {
  readonly link: ServerLink;
  /** What the configuration server is called in errors. */
  readonly thing: string;
  readonly kind: StreamKind<Request, Response>;
  readonly hello: Request;
  /** The next message behind hello; undefined ends this side of the stream in order. */
  next(): Promise<Request | undefined>;
  /** The other side answers the call. */
  onOpen(): void;
  onResponse(response: Response): void;
  readonly stopping: AbortSignal;
}

/** Milliseconds the other side may take to answer the call, and to end its side when ours has ended. */
const PATIENCE = { open: 30_000, end: 2000 };

/**
 * One control stream from hello to its end. Resolves when both sides ended in order or `stopping` aborted, and rejects with a named error
 * when the other side ended it, or the connection broke.
 */
export const runStream = async <Request, Response>({
  link,
  thing,
  kind,
  hello,
  next,
  onOpen,
  onResponse,
  stopping,
}: StreamOptions<Request, Response>): Promise<void> => {
  const overdue = new AbortController();
  const late = (): void =>
    overdue.abort(new HoldfastError('TIMED_OUT', { thing, why: `no answer within ${PATIENCE.open / 1000} s`, remedy: 'look at its log' }));
  let timer = setTimeout(late, PATIENCE.open);
  let ended = false;
  let over = false;
  const requests = async function* (): AsyncGenerator<Request> {
    yield hello;
    for (let request = await next(); request !== undefined; request = await next()) yield request;
    if (over) return;
    ended = true;
    clearTimeout(timer);
    timer = setTimeout(() => overdue.abort(), PATIENCE.end);
  };
  const onHeader = (): void => {
    clearTimeout(timer);
    onOpen();
  };
  try {
    const signal = AbortSignal.any([stopping, overdue.signal]);
    for await (const response of kind.call(link.control, requests(), { signal, onHeader })) onResponse(response);
  } catch (reason) {
    if (stopping.aborted || ended) return;
    throw overdue.signal.aborted ? overdue.signal.reason : fromConnect(reason, thing);
  } finally {
    over = true;
    clearTimeout(timer);
  }
  if (stopping.aborted || ended) return;
  throw new HoldfastError('CONNECTION_LOST', { thing, why: 'it ended the stream', remedy: 'wait, it is tried again' });
};
