import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../lab/host/until.ts';
import { type Link, openLink } from './link.ts';

let echo: Server;
let link: Link;
const clients: Socket[] = [];

const dial = () => {
  const socket = connect({ port: link.port, host: '127.0.0.1' });
  clients.push(socket);
  let received = 0;
  let closed = false;
  socket.on('data', (bytes) => {
    received += bytes.length;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  return {
    socket,
    get received() {
      return received;
    },
    get closed() {
      return closed;
    },
  };
};

const soon = (what: string, holds: () => boolean) => until(what, holds, { seconds: 10, everyMilliseconds: 2 });

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  link = await openLink((echo.address() as AddressInfo).port);
});

afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await link.close();
  echo.close();
});

describe('a link', () => {
  it('passes everything on, and ends', async () => {
    const one = dial();
    const bytes = 3_000_000;
    one.socket.end(Buffer.alloc(bytes, 7));
    await soon('all came back', () => one.received === bytes && one.closed);
  });

  it('that is cut resets what runs through it and refuses the next, until it is open again', async () => {
    const one = dial();
    one.socket.write('x');
    await soon('it came back', () => one.received === 1);
    link.state = { kind: 'cut' };
    await soon('it is reset', () => one.closed);
    const other = dial();
    await soon('it is refused', () => other.closed);
    link.state = { kind: 'open' };
    const third = dial();
    third.socket.write('x');
    await soon('it is passed on', () => third.received === 1);
  });

  it('that is dead tells nobody; once it lives the old connections end', async () => {
    const one = dial();
    one.socket.write('x');
    await soon('it came back', () => one.received === 1);
    link.state = { kind: 'dead' };
    one.socket.write('y');
    const other = dial();
    await once(other.socket, 'connect');
    other.socket.write('z');
    await sleep(50);
    expect([one.received, one.closed, other.received, other.closed]).toEqual([1, false, 0, false]);
    link.state = { kind: 'open' };
    await soon('both end', () => one.closed && other.closed);
  });

  it('that is thin lets so many bytes through', async () => {
    link.state = { kind: 'thin', bytesPerSecond: 400_000 };
    const one = dial();
    const began = performance.now();
    one.socket.write(Buffer.alloc(80_000));
    await soon('all came back', () => one.received === 80_000);
    expect(performance.now() - began).toBeGreaterThan(150);
    link.state = { kind: 'open' };
    one.socket.write(Buffer.alloc(5_000_000));
    await soon('the rest is quick', () => one.received === 5_080_000);
  });
});
