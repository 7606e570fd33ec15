import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { BlobServiceClient, type StoragePipelineOptions, StorageSharedKeyCredential } from '@azure/storage-blob';
import { HoldfastError } from '@holdfast/errors';

/** Azure Blob Storage on this machine, as a process of its own: https://github.com/Azure/Azurite */
export interface Azurite {
  /** `http://127.0.0.1:PORT/ACCOUNT` */
  readonly endpoint: string;
  readonly port: number;
  readonly account: string;
  /** The account's key, which may do everything. */
  readonly key: string;
  readonly pid: number;
  /** Where it keeps everything. */
  readonly folder: string;
  /** Makes a container, unless it is there, and gives the URL of a store in it. */
  createContainer(name: string): Promise<string>;
  /** Ends the process and waits until it has ended. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface AzuriteOptions {
  /** An existing folder; what an earlier process kept there is served again. */
  readonly folder: string;
  /** Any free one unless told. */
  readonly port?: number;
  readonly account?: string;
  /** Made up unless told; to be told when the folder is served again to those who know it. */
  readonly key?: string;
  /** PEM files: https, and tokens of an identity are accepted, of which only the claims are looked at. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** In a process group of its own, so that Ctrl-C at the terminal does not end it. */
  readonly detached?: boolean;
}

const PROGRAM = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
const START_LIMIT = 60_000;
const STOP_LIMIT = 10_000;

/** Starts Azurite's blob service and waits until it listens. Errors: IO_FAILED with what it printed. */
export const startAzurite = async ({
  folder,
  port: wantedPort = 0,
  account = 'devstoreaccount1',
  key = randomBytes(64).toString('base64'),
  tls,
  detached = false,
}: AzuriteOptions): Promise<Azurite> => {
  // Without --disableTelemetry it calls home; its set of versions lags behind that of the SDK.
  const arguments_ = [PROGRAM, '--silent', '--disableTelemetry', '--skipApiVersionCheck', '-l', folder];
  arguments_.push('--blobHost', '127.0.0.1', '--blobPort', `${wantedPort}`);
  if (tls !== undefined) arguments_.push('--cert', tls.certificate, '--key', tls.key, '--oauth', 'basic');
  const child = spawn(process.execPath, arguments_, {
    env: { ...process.env, AZURITE_ACCOUNTS: `${account}:${key}` },
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = stopper(child);
  try {
    const origin = await originOf(child);
    const endpoint = `${origin}/${account}`;
    return {
      endpoint,
      port: Number(new URL(origin).port),
      account,
      key,
      pid: child.pid!,
      folder,
      createContainer: async (name) => {
        // Connections of its own: the SDK's stay open, and do not know this certificate.
        const agent = tls === undefined ? new http.Agent() : new https.Agent({ ca: await readFile(tls.certificate) });
        const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(account, key), { agent } as StoragePipelineOptions);
        await service.getContainerClient(name).createIfNotExists();
        return `azure:${endpoint}/${name}`;
      },
      stop,
    };
  } catch (reason) {
    await stop('SIGKILL');
    throw reason;
  }
};

/** Where it says that it listens; both streams are read to their end, so that it is never held up. */
const originOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    const printed: string[] = [];
    const fail = (why: string): void =>
      reject(
        new HoldfastError('IO_FAILED', {
          thing: 'Azurite',
          why: [why, ...printed].join(': '),
          remedy: 'look at what it printed',
        }),
      );
    const timer = setTimeout(fail, START_LIMIT, `it did not listen within ${START_LIMIT / 1000} s`);
    const read = (line: string): void => {
      const origin = /listens on (https?:\/\/\S+)/.exec(line)?.[1];
      if (origin !== undefined) {
        clearTimeout(timer);
        resolve(origin);
      }
      if (printed.length < 20) printed.push(line);
    };
    createInterface({ input: child.stdout! }).on('line', read);
    createInterface({ input: child.stderr! }).on('line', read);
    child.once('error', ({ message }) => fail(message));
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      fail(`it ended with ${signal ?? `status ${status}`}`);
    });
  });

const stopper =
  (child: ChildProcess): Azurite['stop'] =>
  async (signal = 'SIGTERM') => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
    await ended;
    clearTimeout(timer);
  };
