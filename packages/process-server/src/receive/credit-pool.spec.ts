import fc from 'fast-check';
import { type CreditShare, createCreditPool } from './credit-pool.ts';

const IDLE = 10;
const FIRST = 60;
const FLOOR = 100;
const MOST = 1000;
const BUDGET = 3000;

interface Stream {
  readonly share: CreditShare;
  /** Granted and not sent. */
  granted: number;
  /** Sent and not done. */
  sent: number;
}

const openPool = (room = () => Number.POSITIVE_INFINITY) => {
  let time = 0;
  const pool = createCreditPool({ budget: BUDGET, idle: IDLE, first: FIRST, floor: FLOOR, most: MOST, room, now: () => time });
  const joinIdle = (): Stream => {
    const stream = { granted: 0, sent: 0 } as { share: CreditShare; granted: number; sent: number };
    stream.share = pool.join((bytes) => {
      stream.granted += bytes;
    });
    return stream;
  };
  const join = (): Stream => {
    const stream = joinIdle();
    stream.share.begin();
    return stream;
  };
  const send = (stream: Stream, bytes: number): void => {
    stream.granted -= bytes;
    stream.sent += bytes;
    stream.share.arrived(bytes);
  };
  const finish = (stream: Stream): void => {
    const bytes = stream.sent;
    stream.sent = 0;
    stream.share.done(bytes);
  };
  const pass = (milliseconds: number): void => {
    time += milliseconds;
  };
  return { pool, join, joinIdle, send, finish, pass };
};

describe('the credit pool', () => {
  it('gives a stream little while it has nothing to send, and one that sends alone as much as one may have', () => {
    const { joinIdle, send, finish } = openPool();
    const stream = joinIdle();
    expect(stream.granted).toBe(IDLE);
    stream.share.begin();
    expect(stream.granted).toBe(FIRST);
    for (let round = 0; round < 20; round += 1) {
      send(stream, stream.granted);
      finish(stream);
    }
    expect(stream.granted).toBe(MOST);
  });

  it('shares evenly among the busy, whoever came first', () => {
    const { join, send, finish } = openPool();
    const streams = Array.from({ length: 6 }, join);
    for (let round = 0; round < 40; round += 1)
      for (const stream of streams) {
        send(stream, stream.granted);
        finish(stream);
      }
    const granted = streams.map((stream) => stream.granted);
    expect(Math.max(...granted) - Math.min(...granted)).toBeLessThanOrEqual(BUDGET / 6);
    expect(Math.min(...granted)).toBeGreaterThanOrEqual(FLOOR);
  });

  it('grants nothing without room, and goes on when there is some', () => {
    let room = 0;
    const { pool, join } = openPool(() => room);
    const stream = join();
    expect(stream.granted).toBe(0);
    room = 60;
    pool.refresh();
    expect(stream.granted).toBe(60);
  });

  it('lets one that is stuck have what the largest frame takes', () => {
    const { pool, join, pass } = openPool();
    const stream = join();
    pass(1000);
    pool.refresh();
    expect(stream.granted).toBe(FLOOR);
  });

  it('starves nobody where room is short: slow ones hold no more than they use, and who waits comes before who has', () => {
    const streams: Stream[] = [];
    const { pool, join, send, finish, pass } = openPool(() => 20 * FIRST);
    for (let count = 0; count < 100; count += 1) streams.push(join());
    const served = new Set<Stream>();
    for (let round = 0; round < 100; round += 1) {
      for (const stream of streams) {
        if (stream.granted === 0) continue;
        served.add(stream);
        send(stream, stream.granted);
        finish(stream);
        stream.share.end();
        stream.share.begin();
      }
      pass(100);
      pool.refresh();
    }
    expect(served.size).toBe(100);
  });

  it('never has more out than budget, floors and room allow, and forgets nobody', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.constantFrom('join', 'leave', 'send', 'finish', 'pass', 'room', 'begin', 'end'), fc.nat(1500)), {
          maxLength: 200,
        }),
        (steps) => {
          let room = 10_000;
          const { pool, join, send, finish, pass } = openPool(() => room);
          const streams: Stream[] = [];
          for (const [which, step, amount] of steps) {
            const stream = streams[which % Math.max(1, streams.length)];
            if (step === 'join' && streams.length < 12) streams.push(join());
            else if (step === 'pass') pass(amount);
            else if (step === 'room') room = amount * 10;
            else if (stream !== undefined) {
              if (step === 'send') send(stream, Math.min(amount, stream.granted));
              else if (step === 'finish') finish(stream);
              else if (step === 'begin') stream.share.begin();
              else if (step === 'end') stream.share.end();
              else if (step === 'leave') {
                streams.splice(streams.indexOf(stream), 1);
                stream.share.close();
              }
            }
            const inUse = streams.reduce((sum, { granted, sent }) => sum + granted + sent, 0);
            expect(pool.inUse).toBe(inUse);
            // Credit of streams that fell idle cannot be taken back, so floors may come on top.
            expect(inUse).toBeLessThanOrEqual(BUDGET + 12 * FLOOR);
            for (const { granted, sent } of streams) expect(granted + sent).toBeLessThanOrEqual(MOST);
          }
          room = 1_000_000;
          for (const stream of streams) {
            finish(stream);
            stream.share.begin();
          }
          pass(1000);
          pool.refresh();
          for (const { granted } of streams) expect(granted).toBeGreaterThanOrEqual(FLOOR);
        },
      ),
      { numRuns: 300 },
    );
  });
});
