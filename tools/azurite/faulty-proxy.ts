import { once } from 'node:events';
import http, { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * What becomes of a request on its way:
 * `pass`; `busy`: 503 and Retry-After, not handed on; `reset`: the connection is reset, not handed on; `lose-answer`: handed on and carried out,
 * then the connection is reset; `break-answer`: it is reset in the middle of the answer; `stall`: handed on and carried out, the answer never comes;
 * `late`: held until `release()`, then handed on, whoever sent it being gone; `flip`: handed on with one bit of the content changed.
 */
export type Mishap = 'pass' | 'busy' | 'reset' | 'lose-answer' | 'break-answer' | 'stall' | 'late' | 'flip';

export interface FaultyProxy {
  readonly port: number;
  /** What became of each request so far, in the order they came, with the status of the answer where it was handed on. */
  readonly log: readonly { readonly method: string; readonly mishap: Mishap; status: number | undefined }[];
  /** Hands on what was held; resolves when all of it was answered. */
  release(): Promise<void>;
  close(): Promise<void>;
}

/** An HTTP proxy on a free port before the server at `port`, where requests meet what `plan` says of each (0, 1, 2 …, all methods). */
export const startFaultyProxy = async (port: number, plan: (index: number, method: string) => Mishap): Promise<FaultyProxy> => {
  const agent = new http.Agent({ keepAlive: true });
  const log: { method: string; mishap: Mishap; status: number | undefined }[] = [];
  const held: (() => Promise<void>)[] = [];

  const handOn = async ({ method, url, headers }: IncomingMessage, content: Buffer): Promise<IncomingMessage> => {
    const request = http.request({ agent, host: '127.0.0.1', port, method, path: url, headers }).end(content);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    return answer;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const mishap = plan(log.length, request.method!);
    const entry = { method: request.method!, mishap, status: undefined as number | undefined };
    log.push(entry);
    const content = await buffer(request);
    if (mishap === 'reset') return void request.socket.resetAndDestroy();
    if (mishap === 'busy') {
      response.writeHead(503, { 'x-ms-error-code': 'ServerBusy', 'retry-after': '3' });
      return void response.end('<?xml version="1.0"?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>');
    }
    if (mishap === 'flip' && content.length > 0) content[content.length >> 1]! ^= 1;
    const carryOut = async (): Promise<{ answer: IncomingMessage; body: Buffer }> => {
      const answer = await handOn(request, content);
      entry.status = answer.statusCode;
      return { answer, body: await buffer(answer) };
    };
    if (mishap === 'late') return void held.push(async () => void (await carryOut()));
    const { answer, body } = await carryOut();
    if (mishap === 'stall') return;
    if (mishap === 'lose-answer') return void request.socket.resetAndDestroy();
    response.writeHead(answer.statusCode!, answer.headers);
    if (mishap !== 'break-answer') return void response.end(body);
    response.write(body.subarray(0, body.length >> 1), () => request.socket.resetAndDestroy());
  };

  const server = createServer((request, response) => {
    // Whoever sent it may be gone before it is answered.
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    log,
    release: async () => void (await Promise.all(held.splice(0).map((carryOut) => carryOut()))),
    close: async () => {
      agent.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
};
