import { setMaxListeners } from 'node:events';
import { HoldfastError } from '@holdfast/errors';

/** A live control stream as the configuration server sees it. */
export interface TestStream<Hello, Report> {
  /** Id of the member's certificate. */
  readonly id: string;
  /** Serial number of its certificate. */
  readonly serial: string;
  readonly hello: Hello;
  /** Reports so far. */
  readonly reports: readonly Report[];
  /** The first report, of those that came or will come, for which `match` is true. Rejects when the stream ends. */
  report(match?: (report: Report) => boolean): Promise<Report>;
  /** Ends the stream with an error. */
  fail(error: HoldfastError): void;
  /** When it ended, for whatever reason. */
  readonly ended: Promise<void>;
}

/** Which desired state, and who is there. */
export interface TestRoom<Init, Hello, Report> {
  /** Says a state to a member: now where it is connected, and after each of its next hellos. */
  setState(id: string, state: Init): void;
  /** Streams that live now. */
  readonly live: readonly TestStream<Hello, Report>[];
  /** The first stream, of those that live or will come, for which `match` is true. */
  stream(match?: (stream: TestStream<Hello, Report>) => boolean): Promise<TestStream<Hello, Report>>;
}

/** What comes on a control stream. */
export type Greeting<Hello, Report> =
  | { readonly case: 'hello'; readonly value: Hello }
  | { readonly case: 'report'; readonly value: Report }
  | { readonly case: undefined; readonly value?: undefined };

export interface Visitor {
  readonly id: string;
  readonly serial: string;
  /** Aborted when the stream is gone. */
  readonly signal: AbortSignal;
}

/** One kind of control stream as the test site keeps it. */
export interface OpenRoom<Init, Hello, Report> extends TestRoom<Init, Hello, Report> {
  /** A stream from its first message to its end; yields the states to say. */
  serve(messages: AsyncIterable<{ readonly message: Greeting<Hello, Report> }>, visitor: Visitor): AsyncGenerator<Init>;
}

/** Things that come, and those who wait for one of them. */
const createArrivals = <T>() => {
  let wake = Promise.withResolvers<void>();
  return {
    tell(): void {
      wake.resolve();
      wake = Promise.withResolvers<void>();
    },
    /** What `look` finds, now or after one of the next arrivals. */
    async find(look: () => T | undefined): Promise<T> {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        await wake.promise;
      }
    },
  };
};

const violation = (why: string): HoldfastError =>
  new HoldfastError('PROTOCOL_VIOLATION', { thing: 'control stream', why, remedy: 'report this defect' });

export const createTestRoom = <Init, Hello, Report>(): OpenRoom<Init, Hello, Report> => {
  const states = new Map<string, Init>();
  const live = new Set<TestStream<Hello, Report>>();
  const visits = createArrivals<TestStream<Hello, Report>>();
  const changes = createArrivals<Init>();

  const admit = (hello: Hello, { id, serial }: Visitor) => {
    const reports: Report[] = [];
    const news = createArrivals<Report>();
    const ending = new AbortController();
    setMaxListeners(0, ending.signal);
    const ended = Promise.withResolvers<void>();
    ending.signal.addEventListener('abort', () => ended.resolve());
    const stream: TestStream<Hello, Report> = {
      id,
      serial,
      hello,
      reports,
      report: (match = () => true) =>
        Promise.race([
          news.find(() => reports.find(match)),
          ended.promise.then(() => Promise.reject(new Error('the stream ended without such a report'))),
        ]),
      fail: (error) => ending.abort(error),
      ended: ended.promise,
    };
    const take = (report: Report): void => {
      reports.push(report);
      news.tell();
    };
    return { stream, take, ending };
  };

  return {
    get live() {
      return [...live];
    },
    setState(id, state) {
      states.set(id, state);
      changes.tell();
    },
    stream: (match = () => true) => visits.find(() => [...live].find(match)),
    async *serve(messages, visitor) {
      const incoming = messages[Symbol.asyncIterator]();
      const first = (await incoming.next()).value?.message;
      if (first?.case !== 'hello') throw violation('it does not begin with hello');
      const { stream, take, ending } = admit(first.value, visitor);
      visitor.signal.addEventListener('abort', () => ending.abort());
      // At once: nobody shall take one that is over for the next one.
      ending.signal.addEventListener('abort', () => live.delete(stream));
      const read = async (): Promise<void> => {
        for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) {
          if (next.value.message.case !== 'report') throw violation('there is something other than a report behind hello');
          take(next.value.message.value);
        }
      };
      void read().then(
        () => ending.abort(),
        (reason: unknown) => ending.abort(reason),
      );
      if (!ending.signal.aborted) live.add(stream);
      visits.tell();
      const over = stream.ended.then(() => 'over' as const);
      try {
        for (let said: Init | undefined; ; ) {
          const next = await Promise.race([
            over,
            changes.find(() => {
              const state = states.get(visitor.id);
              return state === said ? undefined : state;
            }),
          ]);
          if (next === 'over') break;
          said = next as Init;
          yield said;
        }
        if (ending.signal.reason instanceof HoldfastError) throw ending.signal.reason;
      } finally {
        live.delete(stream);
        ending.abort();
      }
    },
  };
};
