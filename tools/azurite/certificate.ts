import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** PEM files. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Makes a certificate for 127.0.0.1 and all names of accounts that signs itself, so that it is its own authority. Needs openssl. */
export const createCertificate = async (folder: string): Promise<Certificate> => {
  const [certificate, key] = [path.join(folder, 'certificate.pem'), path.join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=azurite', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:*.blob.core.windows.net'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', ['req', ...kind, ...subject, '-out', certificate, '-keyout', key]);
  return { certificate, key };
};
