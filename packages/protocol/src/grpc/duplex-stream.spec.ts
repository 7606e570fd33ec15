import { EventEmitter } from 'node:events';
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
