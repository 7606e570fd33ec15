import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, newId, type ReplicateRequest, ReplicateRequestSchema, type ReplicationCall } from '@holdfast/protocol';
import { createReceiver } from './create-receiver.ts';

const machineId = newId();

/** A stream that opens and says nothing more until it is ended. */
const openStream = () => {
  const over = new AbortController();
  const ended = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  async function* messages(): AsyncGenerator<ReplicateRequest> {
    yield create(ReplicateRequestSchema, { message: { case: 'open', value: { machineId: idBytes(machineId), protocolVersion: 4 } } });
    await ended.promise;
    over.signal.throwIfAborted();
  }
  const iterator = messages();
  const call = {
    closed: over.signal,
    abort: (reason: Error) => {
      over.abort(reason);
      ended.resolve();
    },
    send: async () => opened.resolve(),
    [Symbol.asyncIterator]: () => iterator,
  };
  return { call: call as unknown as ReplicationCall, opened: opened.promise, end: () => ended.resolve() };
};

const startReceiver = () => {
  let hurried = 0;
  const uploader = {
    state: {},
    open: async () => ({ term: 1, durable: new Map(), accepted: new Map(), log: new Map() }),
    listen: () => undefined,
    isDurable: () => false,
    pending: () => [],
    hurry: () => {
      hurried += 1;
    },
  };
  const share = { close: () => undefined };
  const receiver = createReceiver({
    ...{ machineId, version: '1', partial: undefined },
    ...({ uploader, pool: { join: () => share } } as object),
  } as Parameters<typeof createReceiver>[0]);
  return { receiver, hurried: () => hurried };
};

describe('cuts that are gathered', () => {
  it('go into the vault when the stream of their machine ends, for it may be gone', async () => {
    const { receiver, hurried } = startReceiver();
    const { call, opened, end } = openStream();
    const served = receiver.serve(call);
    await opened;
    expect(hurried()).toBe(0);
    end();
    await served;
    expect(hurried()).toBe(1);
  });

  it('stay gathered when another stream takes over, or the process server stops', async () => {
    const { receiver, hurried } = startReceiver();
    const [first, second] = [openStream(), openStream()];
    const replaced = receiver.serve(first.call);
    await first.opened;
    const served = receiver.serve(second.call);
    await expect(replaced).rejects.toThrow();
    await second.opened;
    expect(hurried()).toBe(0);
    const stops = new HoldfastError('INTERRUPTED', { thing: 'the stream', why: 'the process server stops', remedy: 'nothing' });
    await Promise.all([expect(served).rejects.toThrow(), receiver.close(stops)]);
    expect(hurried()).toBe(0);
  });
});
