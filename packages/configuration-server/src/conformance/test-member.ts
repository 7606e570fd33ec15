import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import {
  type AgentReportSchema,
  type ConnectAgentRequestSchema,
  type ConnectAgentResponse,
  type ConnectServerRequestSchema,
  type ConnectServerResponse,
  ControlService,
  DiskPhase,
  idBytes,
  type ManifestSchema,
  type ServerReportSchema,
} from '@holdfast/protocol';
import type { TestClient } from './test-client.ts';
import { errorOf, hardwareOf, type TestMember } from './test-server.ts';

/** The other end of a control stream, steered by a spec. */
export interface TestStream<State, Report> {
  /** All states so far. */
  readonly states: readonly State[];
  /** Resolves with the first state, of those that came or come, that fits. */
  until(fits: (state: State) => boolean): Promise<State>;
  report(report: Report): void;
  /** How the stream ended: with an error or without. */
  readonly ended: Promise<HoldfastError | undefined>;
  close(): Promise<void>;
}

/** Messages that are pushed one by one. */
const createQueue = <T>(): { push(message: T): void; end(): void; messages: AsyncIterable<T> } => {
  const waiting: T[] = [];
  let over = false;
  let wake = (): void => undefined;
  async function* messages(): AsyncGenerator<T> {
    for (;;) {
      while (waiting.length > 0) yield waiting.shift()!;
      if (over) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return {
    push(message) {
      waiting.push(message);
      wake();
    },
    end() {
      over = true;
      wake();
    },
    messages: messages(),
  };
};

const openStream = <Request, State, Report>(
  start: (requests: AsyncIterable<Request>, signal: AbortSignal) => AsyncIterable<State>,
  hello: Request,
  wrap: (report: Report) => Request,
): TestStream<State, Report> => {
  const queue = createQueue<Request>();
  const states: State[] = [];
  const waiters = new Set<() => void>();
  const stop = new AbortController();
  let isOver = false;
  queue.push(hello);
  const run = async (): Promise<HoldfastError | undefined> => {
    try {
      for await (const state of start(queue.messages, stop.signal)) {
        states.push(state);
        for (const look of [...waiters]) look();
      }
      return undefined;
    } catch (reason) {
      return stop.signal.aborted ? undefined : errorOf(reason);
    } finally {
      isOver = true;
      for (const look of [...waiters]) look();
    }
  };
  const ended = run();
  return {
    states,
    ended,
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = states.find(fits);
          if (found === undefined && !isOver) return;
          waiters.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`the stream ended after ${states.length} states`));
        };
        waiters.add(look);
        look();
      }),
    report: (report) => queue.push(wrap(report)),
    async close() {
      queue.end();
      stop.abort();
      await ended;
    },
  };
};

export const DISK = idBytes('d'.repeat(32));

/** A machine with one disk. */
export const manifestOf = (machineId: string): MessageInitShape<typeof ManifestSchema> => ({
  id: idBytes('e'.repeat(32)),
  machineId: idBytes(machineId),
  machineName: 'test',
  disks: [{ id: DISK, name: 'sda', size: 1024n * 1024n, logicalSectorSize: 512, physicalSectorSize: 4096 }],
});

export type AgentStream = TestStream<ConnectAgentResponse, MessageInitShape<typeof AgentReportSchema>>;
export type ServerStream = TestStream<ConnectServerResponse, MessageInitShape<typeof ServerReportSchema>>;

/** Connects as an agent. */
export const connectAgent = (server: TestClient, member: TestMember, name: string, hello: object = {}): AgentStream =>
  openStream(
    (requests, signal) =>
      server.client(ControlService, { protocol: 'grpc', credentials: member.credentials }).connectAgent(requests, { signal }),
    {
      message: {
        case: 'hello',
        value: {
          version: '0.1.0',
          incarnation: member.incarnation,
          hardware: hardwareOf(name),
          hostname: name,
          manifest: manifestOf(member.id),
          ...hello,
        },
      },
    } as MessageInitShape<typeof ConnectAgentRequestSchema>,
    (value: MessageInitShape<typeof AgentReportSchema>) => ({ message: { case: 'report', value } }) as const,
  ) as AgentStream;

/** Connects as a process server. */
export const connectServer = (server: TestClient, member: TestMember, hello: object = {}): ServerStream =>
  openStream(
    (requests, signal) =>
      server.client(ControlService, { protocol: 'grpc', credentials: member.credentials }).connectServer(requests, { signal }),
    {
      message: {
        case: 'hello',
        value: { version: '0.1.0', incarnation: member.incarnation, endpoints: ['127.0.0.1:9443'], vaults: ['office'], ...hello },
      },
    } as MessageInitShape<typeof ConnectServerRequestSchema>,
    (value: MessageInitShape<typeof ServerReportSchema>) => ({ message: { case: 'report', value } }) as const,
  ) as ServerStream;

/** A report of the one disk. */
export const diskReport = (
  revision: bigint,
  phase: DiskPhase = DiskPhase.REPLICATING,
  more: MessageInitShape<typeof AgentReportSchema> = {},
): MessageInitShape<typeof AgentReportSchema> => ({
  revision,
  disks: [{ diskId: DISK, phase, size: 1024n * 1024n, copiedBytes: phase === DiskPhase.COPYING ? 512n * 1024n : 1024n * 1024n }],
  newestPointUnixMillis: phase === DiskPhase.REPLICATING ? BigInt(Date.now()) : 0n,
  ...more,
});
