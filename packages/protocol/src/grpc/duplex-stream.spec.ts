import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HoldfastError } from '@holdfast/errors';
import { createDuplexStream } from './duplex-stream.ts';

const CODEC = { encode: (bytes: Buffer) => bytes, decode: (bytes: Buffer) => bytes };

/** A call of the library that has no room until it is said to. */
class FullCall extends EventEmitter {
  readonly written: Buffer[] = [];
  pause(): void {}
  resume(): void {}
  end(): void {}
  write(bytes: Buffer): boolean {
    this.written.push(bytes);
    return false;
  }
}

const lost = new HoldfastError('CONNECTION_LOST', { thing: 'the stream', why: 'the test ends it', remedy: 'none' });

it('lets all who wait for room go on at once, with one listener for as many as there are', async () => {
  const call = new FullCall();
  const { stream } = createDuplexStream({ call, codec: CODEC, abort: () => undefined });
  let sent = 0;
  const sending = Array.from({ length: 20 }, (_, index) => stream.send(Buffer.from([index])).then(() => (sent += 1)));
  await new Promise(setImmediate);
  expect([call.written.length, sent, call.listenerCount('drain')]).toEqual([20, 0, 1]);
  call.emit('drain');
  await Promise.all(sending);
  expect(call.listenerCount('drain')).toBe(0);

  const later = stream.send(Buffer.alloc(1));
  expect(call.listenerCount('drain')).toBe(1);
  call.emit('drain');
  await later;
});

it('tells all who wait for room that the stream has ended', async () => {
  const { stream } = createDuplexStream({ call: new FullCall(), codec: CODEC, abort: () => undefined });
  const sending = Array.from({ length: 3 }, () => stream.send(Buffer.alloc(1)).catch((reason: unknown) => reason));
  await new Promise(setImmediate);
  stream.abort(lost);
  expect(await Promise.all(sending)).toEqual([lost, lost, lost]);
});

it('holds nothing of what was taken while the next message is waited for', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const call = new FullCall();
  const codec = { encode: () => Buffer.alloc(0), decode: (bytes: Buffer) => ({ bytes }) };
  const { stream } = createDuplexStream<{ bytes: Buffer }, unknown>({ call, codec, abort: () => undefined });
  const messages = stream[Symbol.asyncIterator]();
  const takeOne = async (): Promise<WeakRef<object>> => {
    const { value } = await messages.next();
    return new WeakRef(value);
  };
  call.emit('data', Buffer.from([1]));
  const taken = await takeOne();
  const next = messages.next();
  for (let turn = 0; turn < 100 && taken.deref() !== undefined; turn += 1) {
    await new Promise(setImmediate);
    collect();
  }
  expect(taken.deref()).toBeUndefined();
  call.emit('data', Buffer.from([2]));
  expect(await next).toEqual({ value: { bytes: Buffer.from([2]) }, done: false });
});

it('yields nothing behind its end, or its error', async () => {
  const call = new FullCall();
  const { stream, control } = createDuplexStream({ call, codec: CODEC, abort: () => undefined });
  const [left, ended, failed] = [0, 1, 2].map(() => stream[Symbol.asyncIterator]()) as [
    AsyncIterator<Buffer>,
    AsyncIterator<Buffer>,
    AsyncIterator<Buffer>,
  ];
  call.emit('data', Buffer.from([1]));
  await left.return?.();
  expect(await left.next()).toEqual({ value: undefined, done: true });
  expect(await ended.next()).toEqual({ value: Buffer.from([1]), done: false });
  const waiting = failed.next();
  control.finish(lost);
  await expect(waiting).rejects.toBe(lost);
  expect(await failed.next()).toEqual({ value: undefined, done: true });
});
