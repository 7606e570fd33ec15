import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { openReplicationSite, type ReplicationSite } from '../conformance/replication-site.ts';
import { newId } from '../id.ts';
import { serverTlsOptions } from '../identity/tls-options.ts';

const open: { close(): Promise<void> }[] = [];
const site = async (...options: Parameters<typeof openReplicationSite>): Promise<ReplicationSite> => {
  const opened = await openReplicationSite(...options);
  open.push(opened);
  return opened;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((opened) => opened.close()));
});
describe('a client names what is wrong', () => {
  const listening: TcpServer[] = [];
  const listen = async (server: TcpServer): Promise<string> => {
    listening.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  afterEach(() => {
    for (const server of listening.splice(0)) server.close();
  });

  it('nobody listens', async () => {
    const address = await listen(createTcpServer());
    await new Promise((resolve) => listening.pop()!.close(resolve));
    const { connect } = await site();
    await expect(connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST', thing: `server ${address}` });
  });

  it('another program answers', async () => {
    const { connect } = await site();
    const address = await listen(createTcpServer((socket) => socket.on('error', () => undefined).end('220 mail.example ESMTP\r\n')));
    await expect(connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('nobody answers in time; the connection is let go of', async () => {
    const { connect } = await site();
    const gone: Promise<unknown>[] = [];
    const address = await listen(createTcpServer((socket: Socket) => void gone.push(once(socket.resume(), 'close'))));
    await expect(connect(undefined, { address, timeout: 300 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    expect(gone).toHaveLength(1);
    await Promise.all(gone);
  });

  it('a server of ours that does not speak HTTP/2', async () => {
    const opened = await site();
    const own = await opened.authority.issue({ role: 'process-server', id: opened.serverId });
    const address = await listen(
      createTlsServer(serverTlsOptions(own), (socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    await expect(opened.connect(undefined, { address })).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('another server than the one that is meant, or of another installation', async () => {
    const opened = await site();
    await expect(opened.connect(undefined, { expect: { role: 'process-server', id: newId() } })).rejects.toMatchObject({
      code: 'IDENTITY_MISMATCH',
    });
    await expect(opened.connect(undefined, { expect: { role: 'master-target' } })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
    const foreign = await site();
    await expect(opened.connect({ ...opened.agent, authorities: foreign.authority.certificate })).rejects.toMatchObject({
      code: 'CERTIFICATE_UNTRUSTED',
    });
  });
});
