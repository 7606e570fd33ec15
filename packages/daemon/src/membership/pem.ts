import { X509Certificate } from 'node:crypto';

/** DER as PEM (RFC 7468). */
export const toPem = (der: Uint8Array, label: 'CERTIFICATE' | 'PRIVATE KEY'): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
};

/** The certificates in PEM text, in order. Throws for one that cannot be read. */
export const readCertificates = (pem: string): X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map((text) => new X509Certificate(text));
