import { HoldfastError } from '@holdfast/errors';
import type { Peer } from '@holdfast/protocol';
import type { Revocations } from '../listener/revocations.ts';
import { createStreamEnd, type StreamEnd } from './stream-end.ts';

/** A message of a member: it begins with a hello, then there are reports. */
interface MemberMessage<H, R> {
  readonly message:
    | { readonly case: 'hello'; readonly value: H }
    | { readonly case: 'report'; readonly value: R }
    | { readonly case: undefined };
}

export interface StreamParts<H, R, S> {
  readonly peer: Peer;
  readonly requests: AsyncIterable<MemberMessage<H, R>>;
  readonly signal: AbortSignal;
  readonly revocations: Revocations;
  /** The hello came. Gives what happens from now on; a rejection refuses the stream. */
  readonly admit: (hello: H, end: StreamEnd) => Promise<Admitted<R, S>>;
}

export interface Admitted<R, S> {
  readonly report: (report: R) => Promise<void>;
  /** What is wanted of the member, until the stream ends. */
  readonly states: AsyncIterable<S>;
  readonly close: () => Promise<void>;
}

/** Milliseconds a member may take to say hello. */
const HELLO = 10_000;

const violation = (peer: Peer, why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', {
    thing: `control stream of ${peer.identity.role} ${peer.identity.id}`,
    why,
    remedy: 'use versions of both sides that fit together',
  });

/** The next message, or undefined when the stream ended. */
const nextWithin = async <T>(iterator: AsyncIterator<T>, end: StreamEnd, late: () => HoldfastError): Promise<T | undefined> => {
  const timer = setTimeout(() => end.end(late()), HELLO);
  const ended = new Promise<undefined>((resolve) => end.signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  try {
    const next = await Promise.race([iterator.next(), ended]);
    end.check();
    return next === undefined || next.done === true ? undefined : next.value;
  } finally {
    clearTimeout(timer);
  }
};

/**
 * One control stream: hello first, then reports come in while desired states go out. It ends when the member ends it, when its certificate
 * is revoked or runs out, or when anything fails.
 */
export async function* holdStream<H, R, S>({ peer, requests, signal, revocations, admit }: StreamParts<H, R, S>): AsyncGenerator<S> {
  const end = createStreamEnd(signal);
  const forget = revocations.onRevoked(peer, end.end);
  const iterator = requests[Symbol.asyncIterator]();
  let admitted: Admitted<R, S> | undefined;
  try {
    const late = (): HoldfastError =>
      new HoldfastError('TIMED_OUT', { thing: 'control stream', why: `no hello came within ${HELLO / 1000} s`, remedy: 'connect again' });
    const first = await nextWithin(iterator, end, late);
    if (first === undefined) return;
    if (first.message.case !== 'hello')
      throw violation(peer, `it began with ${first.message.case ?? 'an unknown message'}, not with a hello`);
    admitted = await admit(first.message.value, end);
    const { report, states } = admitted;
    const read = async (): Promise<void> => {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        const { message } = next.value;
        if (message.case !== 'report') throw violation(peer, `${message.case ?? 'an unknown message'} came where reports are due`);
        revocations.require(peer);
        await report(message.value);
        if (end.signal.aborted) return;
      }
    };
    read().then(
      () => end.end(),
      (reason: Error) => end.end(reason),
    );
    yield* states;
    end.check();
  } finally {
    forget();
    end.end();
    await admitted?.close();
    // What is still under way in there ends with the call.
    void iterator.return?.(undefined)?.catch(() => undefined);
  }
}
