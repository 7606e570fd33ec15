import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Log } from '@holdfast/daemon';

/** A bundle that can be installed. */
export interface Bundle {
  readonly file: string;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** The files under /install/. */
export interface InstallFiles {
  /** Answers requests below /install/; gives false for others. */
  handle(request: Http2ServerRequest, response: Http2ServerResponse): boolean;
  /** The newest bundle of a role; undefined when there is none with a digest. */
  bundle(role: string): Promise<Bundle | undefined>;
}

/** No directories, no hidden files: what can be asked for is a plain name. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/;
const LARGEST_SUMS = 1024 * 1024;

const openPlainFile = async (file: string): Promise<{ readonly handle: FileHandle; readonly size: number } | undefined> => {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const status = await handle.stat();
    if (status.isFile()) return { handle, size: status.size };
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
  }
  await handle?.close();
  return undefined;
};

/** Lines of sha256sum: digest, two blanks (or blank and star), name. */
const parseSums = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(/^([0-9a-f]{64}) [ *](\S+)$/gm)].map(([, digest = '', file = '']) => [path.posix.basename(file), digest]));

const versionOf = (file: string): readonly number[] => (/-(\d+)\.(\d+)\.(\d+)/.exec(file) ?? []).slice(1).map(Number);

const newer = (a: string, b: string): number => {
  const [x, y] = [versionOf(a), versionOf(b)];
  return (y[0] ?? 0) - (x[0] ?? 0) || (y[1] ?? 0) - (x[1] ?? 0) || (y[2] ?? 0) - (x[2] ?? 0);
};

/** Serves the plain files of `directory`, nothing below it, no listing; without a directory nothing. */
export const createInstallFiles = (directory: string | undefined, log: Log): InstallFiles => {
  const send = async (name: string, head: boolean, response: Http2ServerResponse): Promise<void> => {
    const found = directory !== undefined && FILE_NAME.test(name) ? await openPlainFile(path.join(directory, name)) : undefined;
    if (found === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' });
      response.end('There is no such file.\n');
      return;
    }
    response.writeHead(200, {
      'content-type': name.endsWith('.gz') ? 'application/gzip' : 'text/plain; charset=utf-8',
      'content-length': found.size,
      'x-content-type-options': 'nosniff',
    });
    if (head) {
      response.end();
      await found.handle.close();
      return;
    }
    await pipeline(createReadStream('', { fd: found.handle, end: Math.max(0, found.size - 1) }), response);
  };

  return {
    handle(request, response) {
      const [, name] = /^\/install\/([^?]*)/.exec(request.url) ?? [];
      if (name === undefined) return false;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD' });
        response.end();
        return true;
      }
      send(name, request.method === 'HEAD', response).catch((reason: unknown) => {
        log.warn('A file could not be sent', { name, error: reason });
        response.stream?.close();
        if (request.httpVersionMajor < 2) request.socket.destroy();
      });
      return true;
    },
    async bundle(role) {
      if (directory === undefined) return undefined;
      try {
        const files = (await readdir(directory)).filter((name) => FILE_NAME.test(name));
        const wanted = files.filter((name) => name.startsWith(`holdfast-${role}-`) && /-linux-[a-z0-9]+\.tar\.gz$/.test(name));
        const [file] = wanted.toSorted(newer);
        const sums = file === undefined ? undefined : await openPlainFile(path.join(directory, 'SHA256SUMS'));
        if (file === undefined || sums === undefined) return undefined;
        const text = await sums.handle.readFile('utf8').finally(() => sums.handle.close());
        const digest = sums.size > LARGEST_SUMS ? undefined : parseSums(text).get(file);
        return digest === undefined ? undefined : { file, digest };
      } catch (reason) {
        log.warn('The bundles under /install/ cannot be read', { directory, error: reason });
        return undefined;
      }
    },
  };
};
