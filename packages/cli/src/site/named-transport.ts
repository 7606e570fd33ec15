import { ConnectError, type Transport } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import { fromConnect } from '@holdfast/protocol';

export interface NamedTransportOptions {
  /** What the server is called in errors. */
  readonly thing: string;
  /** Ends every call when it is aborted; its reason is what the call fails with. */
  readonly stop: AbortSignal;
  /** Milliseconds a call with one answer may take. Streams last as long as they are wanted. */
  readonly patience: number;
}

/** A transport whose calls end with the command and fail with named errors. */
export const nameErrors = (transport: Transport, { thing, stop, patience }: NamedTransportOptions): Transport => {
  const name = (reason: unknown): unknown => (stop.aborted ? stop.reason : advise(fromConnect(reason, thing)));
  const until = (signal: AbortSignal | undefined): AbortSignal => (signal === undefined ? stop : AbortSignal.any([stop, signal]));
  return {
    unary: async (method, signal, _timeout, header, input, values) => {
      try {
        return await transport.unary(method, until(signal), patience, header, input, values);
      } catch (reason) {
        throw name(reason);
      }
    },
    stream: async (method, signal, _timeout, header, input, values) => {
      try {
        const response = await transport.stream(method, until(signal), 0, header, input, values);
        return { ...response, message: nameErrorsOf(response.message, name) };
      } catch (reason) {
        throw name(reason);
      }
    },
  };
};

async function* nameErrorsOf<Message>(messages: AsyncIterable<Message>, name: (reason: unknown) => unknown): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (reason) {
    throw name(reason);
  }
}

/** What to do about a server whose certificate does not please: the usual reasons for a person are others than for a machine. */
const advise = (error: HoldfastError): HoldfastError => {
  const { code, thing, why, cause } = error;
  // What the server itself said stays as it is.
  if (cause instanceof ConnectError || cause === undefined) return error;
  if (code === 'CERTIFICATE_EXPIRED')
    return new HoldfastError(code, {
      thing,
      why: `${why}; the clock here says ${new Date().toISOString()}`,
      remedy: 'compare the clocks of this machine and of the server',
      cause,
    });
  if (code === 'CERTIFICATE_UNTRUSTED' || code === 'IDENTITY_MISMATCH')
    return new HoldfastError(code, {
      thing,
      why: `${why}. It is not the server you logged in at, or it was set up anew`,
      remedy: 'if it was, compare its fingerprint and `holdfast login` again; if not, somebody may stand between',
      cause,
    });
  return error;
};
