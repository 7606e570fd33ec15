import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the service saw it. */
export interface SeenRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Answers every request as it is told: for what Azurite never says. */
export interface ScriptedService {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** How requests are answered from now on. */
  answer(with_: (request: SeenRequest, response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export const startScriptedService = async (): Promise<ScriptedService> => {
  const seen: SeenRequest[] = [];
  let answer: (request: SeenRequest, response: ServerResponse) => void = (_, response) => response.end();
  const server = createServer(async (incoming, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of incoming) pieces.push(piece as Buffer);
    const request = { method: incoming.method!, path: incoming.url!, headers: incoming.headers, body: Buffer.concat(pieces) };
    seen.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `azure:http://127.0.0.1:${(server.address() as AddressInfo).port}/acme/vault`,
    seen,
    answer: (with_) => {
      answer = with_;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
};

/** An error as the service writes it: https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2 */
export const sayError =
  (status: number, code: string, words: string, headers: Readonly<Record<string, string>> = {}) =>
  ({ method }: SeenRequest, response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code, 'x-ms-request-id': 'request-1', ...headers });
    const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${words}\nRequestId:request-1\nTime:now</Message></Error>`;
    response.end(method === 'HEAD' ? undefined : body);
  };
