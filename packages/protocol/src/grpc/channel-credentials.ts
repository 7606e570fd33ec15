import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import { connectionError } from '../identity/connection-error.ts';

type Grpc = typeof import('@grpc/grpc-js');
type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/**
 * Mutual TLS for the library's client by TLS options of ours, asked for at each connection. The library's own credentials reduce every
 * reason of a failed handshake to words; `onFailure` gets it as a named error. `onSecured` gets a connection that was established, `onClosed` is told when it is gone:
 * a call that has much on its way when its server dies is not always told so by the library. `over` ends a handshake under way, for which the
 * library would wait for ever.
 */
export const createTlsChannelCredentials = (
  grpc: Grpc,
  thing: string,
  options: () => ConnectionOptions,
  onFailure: (error: HoldfastError) => void,
  onSecured: (socket: TLSSocket) => void,
  onClosed: () => void,
  over: AbortSignal,
): ChannelCredentials => {
  const connector: SecureConnector = {
    connect: (socket) =>
      new Promise((resolve, reject) => {
        const fail = (reason: Error): void => {
          const error = connectionError(reason, thing);
          onFailure(error);
          reject(error);
        };
        const giveUp = (): void => void socket.destroy();
        if (over.aborted) giveUp();
        over.addEventListener('abort', giveUp);
        socket.once('close', () => over.removeEventListener('abort', giveUp));
        try {
          const secured = connect({ ...options(), socket, ALPNProtocols: ['h2'] }, () => {
            secured.off('close', onClose);
            socket.once('close', onClosed);
            onSecured(secured);
            resolve({ socket: secured, secure: true });
          });
          const onClose = (): void => fail(new Error('the connection was closed during the TLS handshake'));
          secured.once('close', onClose);
          secured.on('error', fail);
        } catch (reason) {
          fail(fromSystem(reason, thing, 'CERTIFICATE_UNTRUSTED'));
        }
      }),
    waitForReady: () => Promise.resolve(),
    getCallCredentials: () => grpc.credentials.createEmpty(),
    destroy: () => undefined,
  };
  class TlsChannelCredentials extends grpc.ChannelCredentials {
    _isSecure(): boolean {
      return true;
    }
    _equals(other: ChannelCredentials): boolean {
      return other === this;
    }
    _createSecureConnector(): SecureConnector {
      return connector;
    }
  }
  return new TlsChannelCredentials();
};
