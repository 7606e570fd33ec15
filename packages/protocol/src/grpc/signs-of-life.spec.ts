import { EventEmitter, once } from 'node:events';
import { type ClientHttp2Session, connect, createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, connect as open, type Socket } from 'node:net';
import { askForSigns, hearSigns } from './signs-of-life.ts';

const KEEPALIVE = { interval: 20_000, answer: 10_000 };

describe('with a clock of the test', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** A session of the server that counts, and answers nothing unless it is told to. */
  const session = () => {
    const socket = { bytesRead: 0, bytesWritten: 0 };
    const answers: (() => void)[] = [];
    const made = Object.assign(new EventEmitter(), {
      socket,
      pings: 0,
      destroyed: false,
      ping(answer: () => void): boolean {
        made.pings += 1;
        socket.bytesWritten += 17;
        answers.push(answer);
        return true;
      },
      answer(): void {
        socket.bytesRead += 17;
        for (const answer of answers.splice(0)) answer();
      },
      destroy(): void {
        made.destroyed = true;
        made.emit('close');
      },
    });
    askForSigns(made as unknown as ServerHttp2Session, KEEPALIVE);
    return made;
  };

  it('asks nothing where something goes both ways anyhow', () => {
    const busy = session();
    for (let second = 0; second < 600; second += 1) {
      if (second % 13 === 0) busy.socket.bytesRead += 100;
      if (second % 13 === 1) busy.socket.bytesWritten += 50;
      jest.advanceTimersByTime(1000);
    }
    expect([busy.pings, busy.destroyed]).toEqual([0, false]);
  });

  it('says something at least every 20 s, though it hears enough', () => {
    const heard = session();
    let said = 0;
    for (let second = 1; second <= 600; second += 1) {
      heard.socket.bytesRead += 100;
      jest.advanceTimersByTime(1000);
      if (heard.pings > 0) said = second;
      if (heard.pings > 0) heard.answer();
      heard.pings = 0;
      expect(second - said).toBeLessThanOrEqual(20);
    }
    expect(heard.destroyed).toBe(false);
  });

  it('asks who says nothing, once, and cuts it off after 30 to 35 s without an answer', () => {
    const silent = session();
    jest.advanceTimersByTime(29_000);
    expect([silent.pings, silent.destroyed]).toEqual([1, false]);
    jest.advanceTimersByTime(7000);
    expect([silent.pings, silent.destroyed]).toEqual([1, true]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('takes a server for gone of which it heard nothing for as long, not one that says something now and then', () => {
    const socket = Object.assign(new EventEmitter(), { bytesRead: 0, bytesWritten: 0 });
    const gone = jest.fn();
    hearSigns(socket as unknown as Socket, KEEPALIVE, gone);
    for (let second = 0; second < 600; second += 20) {
      jest.advanceTimersByTime(20_000);
      socket.bytesRead += 17;
      socket.bytesWritten += 100;
    }
    expect(gone).not.toHaveBeenCalled();
    jest.advanceTimersByTime(40_000);
    expect(gone).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('looks no more at a connection that is over', () => {
    const over = session();
    over.emit('close');
    const socket = Object.assign(new EventEmitter(), { bytesRead: 0, bytesWritten: 0 });
    hearSigns(socket as unknown as Socket, KEEPALIVE, () => undefined);
    socket.emit('close');
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('with connections', () => {
  let server: Http2Server;
  let client: ClientHttp2Session | undefined;

  afterEach(async () => {
    client?.destroy();
    await new Promise((closed) => server.close(closed));
  });

  it('both sides stay where only signs of life are exchanged', async () => {
    const gone = jest.fn();
    const sessions: ServerHttp2Session[] = [];
    server = createServer().on('session', (session) => {
      sessions.push(session);
      askForSigns(session, { interval: 40, answer: 60_000 });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    client = connect(`http://127.0.0.1:${port}`, {
      createConnection: () => {
        const socket = open(port, '127.0.0.1');
        hearSigns(socket, { interval: 40, answer: 60_000 }, gone);
        return socket;
      },
    });
    for (let pings = 0; pings < 5; pings += 1) await once(client, 'ping');
    expect([gone.mock.calls.length, sessions.length, sessions[0]!.destroyed]).toEqual([0, 1, false]);
  }, 60_000);
});
