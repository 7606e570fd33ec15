import { isNativeError } from 'node:util/types';
import { type Code, ConnectError, decodeBinaryHeader, encodeBinaryHeader } from '@connectrpc/connect';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { errorOfCode, statusCodeOf } from '../grpc/grpc-status.ts';
import { boundedWords, ERROR_METADATA, encodeError } from '../grpc/wire-error.ts';
import { connectionError } from '../identity/connection-error.ts';

/**
 * Anything thrown, as the error of a Connect call; it carries a HoldfastError whole. For an interceptor of a server, around every handler.
 * The status codes of Connect are those of gRPC.
 */
export const connectError = (reason: unknown): ConnectError => {
  if (reason instanceof ConnectError) return reason;
  const error = fromSystem(reason, 'call', 'INTERNAL');
  const metadata = { [ERROR_METADATA]: encodeBinaryHeader(new Uint8Array(encodeError(error))) };
  return new ConnectError(boundedWords(error.message), statusCodeOf(error) as Code, metadata, undefined, error);
};

/** The bytes of the header; undefined when it is missing or no base64. */
const toldBy = ({ metadata }: ConnectError): Uint8Array | undefined => {
  const header = metadata.get(ERROR_METADATA);
  if (header === null) return undefined;
  try {
    return decodeBinaryHeader(header);
  } catch {
    return undefined;
  }
};

/** Errors of a chain of causes that are looked at. */
const DEEPEST = 8;

/** The error at the root of what a client of Connect was told: ours where there is one, else what the network said. */
const rootOf = (reason: unknown): unknown => {
  let root = reason;
  for (let depth = 0; depth < DEEPEST && isNativeError(root) && !(root instanceof HoldfastError) && isNativeError(root.cause); depth++)
    root = root.cause;
  return root;
};

/**
 * The named error for what a call of a Connect client threw: the error the server told, else one about its certificate, else what the
 * status stands for. `thing` is the server as people know it.
 */
export const fromConnect = (reason: unknown, thing: string): HoldfastError => {
  const told = reason instanceof ConnectError ? toldBy(reason) : undefined;
  const root = rootOf(reason);
  if (told === undefined && !(root instanceof ConnectError)) return connectionError(root, thing);
  const { code, rawMessage } = ConnectError.from(reason);
  return errorOfCode({ code, words: rawMessage, told }, thing, reason);
};
