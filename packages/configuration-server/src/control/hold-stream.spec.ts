import { HoldfastError } from '@holdfast/errors';
import type { Peer } from '@holdfast/protocol';
import type { Revocations } from '../listener/revocations.ts';
import { type Admitted, holdStream } from './hold-stream.ts';
import type { StreamEnd } from './stream-end.ts';

const peer: Peer = { identity: { role: 'agent', id: 'a'.repeat(32) }, serial: '1', notAfter: 0, certificate: new Uint8Array() };
const hello = { message: { case: 'hello', value: 'hello' } } as const;
const report = (value: string) => ({ message: { case: 'report', value } }) as const;
const unknown = { message: { case: undefined } } as const;
type Message = typeof hello | ReturnType<typeof report> | typeof unknown;

/** Messages one after the other, then nothing more until `end` aborts. */
async function* say(messages: readonly Message[], end?: AbortSignal): AsyncGenerator<Message> {
  yield* messages;
  if (end !== undefined) await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }));
}

const setUp = () => {
  const told: string[] = [];
  let end: StreamEnd | undefined;
  let revoke: ((error: HoldfastError) => void) | undefined;
  let expired = false;
  const gone = new HoldfastError('CERTIFICATE_REVOKED', { thing: 'a', why: 'b', remedy: 'c' });
  const revocations: Revocations = {
    require() {
      if (expired) throw new HoldfastError('CERTIFICATE_EXPIRED', { thing: 'a', why: 'b', remedy: 'c' });
    },
    onRevoked(_, listener) {
      revoke = listener;
      return () => void told.push('forgotten');
    },
    close: () => undefined,
  };
  const call = new AbortController();
  async function* states(): AsyncGenerator<string> {
    yield 'state';
    await new Promise((resolve) => {
      if (end!.signal.aborted) resolve(undefined);
      end!.signal.addEventListener('abort', resolve, { once: true });
    });
  }
  const admit = async (value: string, own: StreamEnd): Promise<Admitted<string, string>> => {
    end = own;
    told.push(value);
    if (value !== 'hello') throw new Error('refused');
    return {
      report: async (words) => {
        told.push(words);
        if (words === 'bad') throw new HoldfastError('REQUEST_INVALID', { thing: 'a', why: 'b', remedy: 'c' });
      },
      states: states(),
      close: async () => void told.push('closed'),
    };
  };
  const hold = async (messages: readonly Message[], stays = true): Promise<string> => {
    const requests = say(messages, stays ? call.signal : undefined);
    try {
      for await (const state of holdStream({ peer, requests, signal: call.signal, revocations, admit })) told.push(state);
      return 'ended';
    } catch (error) {
      return (error as HoldfastError).code ?? String(error);
    } finally {
      call.abort();
    }
  };
  return {
    told,
    hold,
    revoke: () => revoke?.(gone),
    leave: () => call.abort(),
    expire: () => {
      expired = true;
    },
  };
};

/** Lets everything that is ready happen. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
};

describe('a control stream', () => {
  it('says what is wanted, hears reports, and ends with its member', async () => {
    const { told, hold } = setUp();
    expect(await hold([hello, report('one'), report('two')], false)).toBe('ended');
    expect(told.filter((words) => words !== 'state')).toEqual(['hello', 'one', 'two', 'forgotten', 'closed']);
  });

  it('ends when the call does', async () => {
    const { told, hold, leave } = setUp();
    const held = hold([hello]);
    await settle();
    leave();
    expect(await held).toBe('ended');
    expect(told).toEqual(['hello', 'state', 'forgotten', 'closed']);
  });

  it.each([
    ['it begins with a report', [report('x')], ['forgotten']],
    ['it begins with something unknown', [unknown], ['forgotten']],
    ['it says hello twice', [hello, hello], ['hello', 'forgotten', 'closed']],
    ['something unknown comes later', [hello, unknown], ['hello', 'forgotten', 'closed']],
  ])('is refused by name when %s', async (_, messages, left) => {
    const { told, hold } = setUp();
    expect(await hold(messages)).toBe('PROTOCOL_VIOLATION');
    expect(told.filter((words) => words !== 'state')).toEqual(left);
  });

  it('ends with what is wrong with a report', async () => {
    const { told, hold } = setUp();
    expect(await hold([hello, report('bad'), report('never')])).toBe('REQUEST_INVALID');
    expect(told).not.toContain('never');
    expect(told.at(-1)).toBe('closed');
  });

  it('ends when its certificate is revoked, before and after the hello', async () => {
    for (const messages of [[], [hello]]) {
      const { hold, revoke } = setUp();
      const held = hold(messages);
      await settle();
      revoke();
      expect(await held).toBe('CERTIFICATE_REVOKED');
    }
  });

  it('ends with the first report after its certificate ended', async () => {
    const { told, hold, expire } = setUp();
    expire();
    expect(await hold([hello, report('late')])).toBe('CERTIFICATE_EXPIRED');
    expect(told).not.toContain('late');
  });

  it('does not wait for a hello for ever', async () => {
    jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] });
    try {
      const { told, hold } = setUp();
      const held = hold([]);
      await settle();
      jest.advanceTimersByTime(9_999);
      await settle();
      expect(told).toEqual([]);
      jest.advanceTimersByTime(1);
      expect(await held).toBe('TIMED_OUT');
    } finally {
      jest.useRealTimers();
    }
  });
});
