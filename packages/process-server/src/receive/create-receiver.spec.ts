import { create } from '@bufbuild/protobuf';
import { contentDigest } from '@holdfast/block';
import { HoldfastError } from '@holdfast/errors';
import {
  type Cut,
  CutSchema,
  idBytes,
  idText,
  newId,
  type ReplicateRequest,
  ReplicateRequestSchema,
  type ReplicationCall,
} from '@holdfast/protocol';
import type { JournaledCut } from '../journal/journal.ts';
import { createReceiver } from './create-receiver.ts';

const machineId = newId();

/** A stream that opens, says what it is told to, and nothing more until it is ended. */
const openStream = (...cuts: readonly Cut[]) => {
  const over = new AbortController();
  const ended = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  async function* messages(): AsyncGenerator<ReplicateRequest> {
    yield create(ReplicateRequestSchema, { message: { case: 'open', value: { machineId: idBytes(machineId), protocolVersion: 4 } } });
    for (const cut of cuts) yield create(ReplicateRequestSchema, { message: { case: 'cutEnd', value: { cut } } });
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

const startReceiver = (commit: (cut: Cut) => Promise<unknown> = () => Promise.reject()) => {
  let hurried = 0;
  const submitted: string[] = [];
  const uploader = {
    state: {},
    open: async () => ({ term: 1, durable: new Map(), accepted: new Map(), log: new Map() }),
    listen: () => undefined,
    isDurable: () => false,
    isKnown: () => false,
    submit: ({ cutId }: JournaledCut) => void submitted.push(cutId),
    pending: () => [],
    hurry: () => {
      hurried += 1;
    },
  };
  const share = { close: () => undefined };
  const receiver = createReceiver({
    ...{ machineId, version: '1', partial: undefined },
    ...({ uploader, commit, pool: { join: () => share }, receiptGap: () => 0 } as object),
  } as Parameters<typeof createReceiver>[0]);
  return { receiver, submitted, hurried: () => hurried };
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

describe('cuts that reach the disk together', () => {
  const [diskId, generationId] = [idBytes(newId()), idBytes(newId())];
  const cutOf = (number: bigint): Cut =>
    create(CutSchema, {
      id: idBytes(newId()),
      machineId: idBytes(machineId),
      epochs: [{ diskId, generationId, number, diskSize: 4096n, contentDigest: contentDigest([]) }],
    });
  const cuts = [cutOf(0n), cutOf(1n), cutOf(2n)];
  const ids = cuts.map(({ id }) => idText(id));

  /** The journal answers for each cut when the spec says so. */
  const heldJournal = () => {
    const answers = new Map(ids.map((id) => [id, Promise.withResolvers<unknown>()]));
    const released: string[] = [];
    const asked = Promise.withResolvers<void>();
    const commit = (cut: Cut): Promise<unknown> => {
      if (idText(cut.id) === ids.at(-1)) asked.resolve();
      return answers.get(idText(cut.id))!.promise;
    };
    const answer = (id: string): void =>
      answers.get(id)!.resolve({ cutId: id, cut: cuts[ids.indexOf(id)], release: () => released.push(id) });
    return { commit, asked: asked.promise, answer, fail: (id: string, reason: Error) => answers.get(id)!.reject(reason), released };
  };

  it('are handed on in their order, whichever is heard of first', async () => {
    const journal = heldJournal();
    const { receiver, submitted } = startReceiver(journal.commit);
    const { call, end } = openStream(...cuts);
    const served = receiver.serve(call);
    await journal.asked;
    for (const id of ids.toReversed()) {
      expect(submitted).toEqual([]);
      journal.answer(id);
      await new Promise(setImmediate);
    }
    end();
    await served;
    expect(submitted).toEqual(ids);
  });

  it('are not handed on behind one that was lost', async () => {
    const journal = heldJournal();
    const { receiver, submitted } = startReceiver(journal.commit);
    const served = receiver.serve(openStream(...cuts).call);
    await journal.asked;
    journal.answer(ids[0]!);
    journal.answer(ids[2]!);
    journal.fail(ids[1]!, new HoldfastError('DAMAGED', { thing: 'a cut', why: 'it came otherwise', remedy: 'nothing' }));
    await expect(served).rejects.toThrow('it came otherwise');
    expect([submitted, journal.released]).toEqual([[ids[0]], [ids[2]]]);
  });
});
