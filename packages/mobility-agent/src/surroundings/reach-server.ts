import { connect } from 'node:http2';
import { connect as tlsConnect } from 'node:tls';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type CredentialSource, clientTlsOptions, connectionError, type Finding, missed, passed } from '@holdfast/protocol';

/** Milliseconds for connecting and one answer. */
const PATIENCE = 5000;

/** One ping there and back over HTTP/2; gives its milliseconds. */
const ping = async (address: string, credentials: CredentialSource): Promise<number> => {
  const answered = Promise.withResolvers<number>();
  const { hostname, port } = new URL(`https://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const secure = clientTlsOptions(credentials.current(), { role: 'process-server' });
  const socket = tlsConnect({ ...secure, host, port: Number(port || 443), ALPNProtocols: ['h2'] });
  const session = connect(`https://${address}`, { createConnection: () => socket });
  const fail = (code: 'TIMED_OUT' | 'CONNECTION_LOST', why: string): void =>
    answered.reject(new HoldfastError(code, { thing: address, why, remedy: 'open the port' }));
  const late = setTimeout(() => fail('TIMED_OUT', `no answer came within ${PATIENCE / 1000} s`), PATIENCE);
  session.once('error', answered.reject);
  session.once('close', () => fail('CONNECTION_LOST', 'it was closed'));
  session.once('connect', () => {
    session.ping((error, took) => (error === null ? answered.resolve(took) : answered.reject(error)));
  });
  return answered.promise.finally(() => {
    clearTimeout(late);
    session.destroy();
    // A session that never came up leaves its socket as it is.
    socket.destroy();
  });
};

/** Whether a process server of our authority is reached, and answers come back. */
export const reachServer = async (address: string, credentials: CredentialSource): Promise<Finding> => {
  try {
    const took = await ping(address, credentials);
    return passed('server-reachable', address, `it answers within ${Math.ceil(took)} ms`);
  } catch (reason) {
    const error = isHoldfastError(reason) ? reason : connectionError(reason, address);
    return missed(
      'server-reachable',
      address,
      error.why,
      error.code === 'CONNECTION_LOST' || error.code === 'TIMED_OUT' ? undefined : error.remedy,
    );
  }
};
