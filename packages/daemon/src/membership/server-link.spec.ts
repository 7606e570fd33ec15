import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { newId } from '@holdfast/protocol';
import { createTestAuthority, startDelayingProxy } from '@holdfast/protocol/conformance';
import { openServerLink } from './server-link.ts';

let server: Http2SecureServer;
afterEach(() => new Promise((resolve) => server.close(resolve)));

/** A call that is never answered, until it fails. */
const waitForEver = async (messages: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of messages);
};

const hello = async function* () {
  yield { message: { case: 'hello' as const, value: {} } };
  await new Promise(() => undefined);
};

it('a link on which nothing comes any more fails its calls, and may be closed while it does', async () => {
  const authority = await createTestAuthority();
  const own = await authority.issue({ role: 'configuration-server', id: newId() });
  server = createSecureServer({ key: own.key, cert: own.certificateChain });
  server.on('session', (session) => session.on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startDelayingProxy((server.address() as AddressInfo).port, 0);
  const problems: unknown[] = [];
  const uncaught = (reason: unknown): void => void problems.push(reason);
  process.on('uncaughtException', uncaught);
  try {
    const link = await openServerLink({
      server: { host: '127.0.0.1', port: proxy.port },
      secure: {},
      check: () => undefined,
      silence: { pingIntervalMs: 20, pingTimeoutMs: 20 },
    });
    const calling = waitForEver(link.control.connectAgent(hello())).catch((reason: Error) => {
      link.close();
      throw reason;
    });
    // The request is on its way before the network dies.
    await new Promise((resolve) => server.once('stream', resolve));
    proxy.swallow();
    await expect(calling).rejects.toThrow('PING timed out');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(problems).toEqual([]);
  } finally {
    process.off('uncaughtException', uncaught);
    await proxy.close();
  }
});
