import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PolicyService } from '@holdfast/protocol';
import { SMTPServer } from 'smtp-server';
import { endTestServers, startTestServer } from '../conformance/test-server.ts';

const open: (() => void)[] = [];
afterEach(async () => {
  await endTestServers();
  for (const close of open.splice(0)) close();
});

const until = async (holds: () => boolean): Promise<void> => {
  for (const end = Date.now() + 30_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 10)))
    if (Date.now() > end) throw new Error('it never came to be');
};

describe('a configuration server with a mail server and a webhook in its settings', () => {
  it('tells by both what happens', async () => {
    const mails: string[] = [];
    const mail = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData(stream, _, done) {
        void stream.toArray().then((parts) => {
          mails.push(Buffer.concat(parts as Buffer[]).toString());
          done();
        });
      },
    });
    mail.on('error', () => undefined);
    mail.listen(0, '127.0.0.1');
    await once(mail.server, 'listening');
    open.push(() => mail.close());
    const posts: string[] = [];
    const hook = createServer(async (request, response) => {
      posts.push((await request.toArray()).map(String).join(''));
      response.writeHead(204).end();
    });
    hook.listen(0, '127.0.0.1');
    await once(hook, 'listening');
    open.push(() => {
      hook.closeAllConnections();
      hook.close();
    });
    const at = (server: { address(): unknown }): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const server = await startTestServer({
      'email.server': at(mail.server),
      'email.security': 'none',
      'email.from': 'holdfast@example.com',
      'email.to': 'anna@example.com',
      'webhook.url': `http://${at(hook)}/hook`,
      'notification.severity': 'information',
    });
    await server.api(PolicyService).createPolicy({ policy: { name: 'gold' } });
    await until(() => mails.join().includes('gold') && posts.join().includes('gold'));
    expect(mails.join()).toContain('anna@example.com');
  });
});
