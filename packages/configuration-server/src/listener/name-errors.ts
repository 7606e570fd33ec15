import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Log } from '@holdfast/daemon';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { connectError } from '@holdfast/protocol';

async function* named<T>(messages: AsyncIterable<T>, name: (reason: unknown) => ConnectError, end: () => void): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (reason) {
    throw name(reason);
  }
  end();
}

const outcomeOf = (error: ConnectError): string => (error.cause instanceof HoldfastError ? error.cause.code : String(Code[error.code]));

/** Whatever a handler throws reaches the other side as a named error; defects are written down here, without details to the other side. */
export const nameErrors =
  (log: Log, onCall: (method: string, outcome: string) => void): Interceptor =>
  (next) =>
  async (request) => {
    const method = `${request.service.name}.${request.method.name}`;
    const name = (reason: unknown): ConnectError => {
      const ours = reason instanceof ConnectError ? reason : fromSystem(reason, method, 'INTERNAL');
      if (isHoldfastError(ours, 'INTERNAL')) log.error('A call failed because of a defect', { method, error: reason });
      const error = connectError(ours);
      onCall(method, outcomeOf(error));
      return error;
    };
    const well = (): void => onCall(method, 'ok');
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: named(response.message, name, well) };
      well();
      return response;
    } catch (reason) {
      throw name(reason);
    }
  };
