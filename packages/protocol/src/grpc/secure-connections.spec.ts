import { connect, type Socket } from 'node:net';
import { createTestAuthority, type TestAuthority } from '../conformance/test-authority.ts';
import { newId } from '../id.ts';
import { listenSecurely, type SecureConnections } from './secure-connections.ts';

/** Milliseconds after which something counts as never. */
const NEVER = 5000;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await createTestAuthority();
});

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const listening = async (handshake: number): Promise<SecureConnections> => {
  const own = await authority.issue({ role: 'process-server', id: newId() });
  return listenSecurely({
    host: '127.0.0.1',
    port: 0,
    credentials: { current: () => own },
    accept: (socket) => socket.destroy(),
    handshake,
  });
};

/** Somebody who connects and says nothing. */
const silent = async ({ port }: SecureConnections) => {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  const gone = new Promise<string>((resolve) => socket.once('close', () => resolve('gone')));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { gone };
};

const orNever = (happens: Promise<string>): Promise<string> => {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('never'), NEVER);
  });
  return Promise.race([happens, never]).finally(() => clearTimeout(timer));
};

describe('somebody who connects and says nothing', () => {
  it('is cut off when the time for the handshake is over', async () => {
    const connections = await listening(200);
    const { gone } = await silent(connections);
    await expect(orNever(gone)).resolves.toBe('gone');
    await connections.close();
  });

  it('does not keep the listener from closing', async () => {
    const connections = await listening(60_000);
    await silent(connections);
    await expect(orNever(connections.close().then(() => 'closed'))).resolves.toBe('closed');
  });
});
