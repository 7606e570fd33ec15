import { isNativeError } from 'node:util/types';
import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { certificateError } from './peer.ts';

/** What TLS says when a certificate does not please; everything else is the network. */
const ABOUT_CERTIFICATES = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_|ERR_TLS_CERT|ERR_OSSL_X509)/;

/** The named error for a connection that did not come up or broke: about the other side's certificate, or CONNECTION_LOST. */
export const connectionError = (reason: unknown, thing: string): HoldfastError => {
  if (isHoldfastError(reason)) return reason;
  const { code, message } = isNativeError(reason) ? (reason as NodeJS.ErrnoException) : { code: undefined, message: String(reason) };
  if (ABOUT_CERTIFICATES.test(String(code))) return certificateError(reason, thing);
  return new HoldfastError('CONNECTION_LOST', {
    thing,
    why: message,
    remedy: 'check that a server of Holdfast listens there',
    cause: reason,
  });
};
