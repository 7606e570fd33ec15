import { type ClientHttp2Session, connect } from 'node:http2';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { type CredentialSource, clientTlsOptions, connectionError, type Finding, missed, passed } from '@holdfast/protocol';

/** Milliseconds for connecting and one answer. */
const PATIENCE = 5000;

/** One ping there and back over HTTP/2; gives its milliseconds. */
const ping = (address: string, credentials: CredentialSource): Promise<number> => {
  const answered = Promise.withResolvers<number>();
  const tls = clientTlsOptions(credentials.current(), { role: 'process-server' });
  let session: ClientHttp2Session;
  try {
    session = connect(`https://${address}`, tls);
  } catch (reason) {
    return Promise.reject(reason as Error);
  }
  const late = setTimeout(
    () =>
      answered.reject(
        new HoldfastError('TIMED_OUT', { thing: address, why: `no answer came within ${PATIENCE / 1000} s`, remedy: 'open the port' }),
      ),
    PATIENCE,
  );
  session.once('error', answered.reject);
  session.once('close', () =>
    answered.reject(new HoldfastError('CONNECTION_LOST', { thing: address, why: 'it was closed', remedy: 'open the port' })),
  );
  session.once('connect', () => {
    session.ping((error, took) => (error === null ? answered.resolve(took) : answered.reject(error)));
  });
  return answered.promise.finally(() => {
    clearTimeout(late);
    session.destroy();
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
