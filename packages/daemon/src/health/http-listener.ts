import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Metrics } from '../metrics/metrics.ts';
import type { Address } from '../settings/kinds.ts';
import type { Health } from './health.ts';

/** /healthz, /healthz/live and /metrics on a loopback address. */
export interface HttpListener {
  /** The port it really listens on. */
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (status: number, body: unknown): Answer => ({ status, type: 'application/json', body: `${JSON.stringify(body)}\n` });

/** `started` says whether the program has told that it does its work: before that it is live but not ready. */
export const answerTo = async (url: string, health: Health, metrics: Metrics, started: () => boolean): Promise<Answer> => {
  switch (url.split('?')[0]) {
    case '/healthz': {
      const { ready, live, checks } = await health.report();
      const well = ready && started();
      return json(well ? 200 : 503, { live, ready: well, started: started(), checks });
    }
    case '/healthz/live': {
      const { live } = await health.report();
      return json(live ? 200 : 503, { live });
    }
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await metrics.text() };
    default:
      return json(404, { error: 'there are /healthz, /healthz/live and /metrics' });
  }
};

const send = (response: ServerResponse, { status, type, body }: Answer, head: boolean): void => {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' });
  response.end(head ? undefined : body);
};

const inUse = (reason: NodeJS.ErrnoException, place: string): HoldfastError =>
  reason.code === 'EADDRINUSE'
    ? new HoldfastError('ADDRESS_IN_USE', {
        thing: place,
        why: 'another program listens there',
        remedy: 'end it, or choose another port by the setting http.listen',
        cause: reason,
      })
    : fromSystem(reason, place);

/** Starts listening; rejects with ADDRESS_IN_USE when the place is taken. */
export const listenHttp = async (at: Address, health: Health, metrics: Metrics, started: () => boolean): Promise<HttpListener> => {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000, maxHeaderSize: 8192 });
  server.maxConnections = 64;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const head = request.method === 'HEAD';
    if (!head && request.method !== 'GET') return send(response, json(405, { error: 'only GET is answered' }), false);
    answerTo(request.url ?? '/', health, metrics, started).then(
      (answer) => send(response, answer, head),
      (reason: unknown) => send(response, json(500, { error: reason instanceof Error ? reason.message : String(reason) }), head),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (reason) => reject(inUse(reason, `${at.host}:${at.port}`)));
    server.listen(at.port, at.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
