import { type ConnectionOptions, connect } from 'node:tls';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { certificateError } from '../identity/peer.ts';

type Grpc = typeof import('@grpc/grpc-js');
type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** What TLS says when a certificate does not please; everything else is the network. */
const ABOUT_CERTIFICATES = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_|ERR_TLS_CERT|ERR_OSSL_X509)/;

const named = (reason: NodeJS.ErrnoException, thing: string): HoldfastError => {
  if (isHoldfastError(reason)) return reason;
  if (ABOUT_CERTIFICATES.test(reason.code ?? '')) return certificateError(reason, thing);
  return new HoldfastError('CONNECTION_LOST', {
    thing,
    why: reason.message,
    remedy: 'check that a server of Holdfast listens there',
    cause: reason,
  });
};

/**
 * Mutual TLS for the library's client by TLS options of ours, asked for at each connection. The library's own credentials reduce every
 * reason of a failed handshake to words; `onFailure` gets it as a named error.
 */
export const createTlsChannelCredentials = (
  grpc: Grpc,
  thing: string,
  options: () => ConnectionOptions,
  onFailure: (error: HoldfastError) => void,
): ChannelCredentials => {
  const connector: SecureConnector = {
    connect: (socket) =>
      new Promise((resolve, reject) => {
        const fail = (reason: Error): void => {
          const error = named(reason, thing);
          onFailure(error);
          reject(error);
        };
        try {
          const secured = connect({ ...options(), socket, ALPNProtocols: ['h2'] }, () => {
            secured.off('close', onClose);
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
