import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import type { NbdAddress } from '@holdfast/nbd';

const HOST_AND_PORT = /^(?<host>\[[0-9a-f:]+\]|[^/:]+):(?<port>\d{1,5})$/i;
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/i;

/**
 * Where to listen: `127.0.0.1:10809`, `[::1]:10809` (port 0 takes any free one) or the path of a Unix socket. NBD asks nobody for a key, so only loopback
 * is allowed. Error: SETTING_INVALID.
 */
export const parseListenAddress = (text: string): NbdAddress => {
  const found = HOST_AND_PORT.exec(text)?.groups;
  if (found === undefined) {
    if (text === '') throw invalid(text, 'it is empty', 'give the path of a socket, or 127.0.0.1:PORT');
    return { path: path.resolve(text) };
  }
  const host = found['host']!.replace(/^\[|\]$/g, '');
  const port = Number(found['port']);
  if (port > 65_535) throw invalid(text, 'no port has such a number', 'give a port up to 65535, or 0 for any free one');
  if (!LOOPBACK.test(host))
    throw invalid(
      text,
      'whoever can connect reads the whole disk',
      'use a Unix socket or 127.0.0.1, and reach it from elsewhere through `ssh -L`',
    );
  return { host, port };
};

const invalid = (text: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: `address ${JSON.stringify(text)}`, why, remedy });
