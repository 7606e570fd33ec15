import type { HoldfastError } from '@holdfast/errors';

/**
 * One side of a bidirectional call. Iterating yields what the other side sends, once, in order, with back-pressure: what is not taken is
 * not read from the network, but for 16 messages. It ends when the other side has ended; it throws a HoldfastError when the call failed:
 * the other side's own error where it sent one, else CONNECTION_LOST, or PROTOCOL_VIOLATION for a message that is too large, unreadable or
 * unknown.
 */
export interface MessageStream<In, Out> extends AsyncIterable<In> {
  /** Hands a message to the transport; resolves when there is room for the next. Rejects with the error of the call. */
  send(message: Out): Promise<void>;
  /** Says that nothing more will be sent from this side; what was sent is still delivered. */
  end(): void;
  /** Ends the call at once for both sides. A server's error is told to the client; of a client's the server learns only that it is gone. */
  abort(error: HoldfastError): void;
  /** Aborted when the call is over for both sides; its reason is the HoldfastError, or null when it ended well. */
  readonly closed: AbortSignal;
}
