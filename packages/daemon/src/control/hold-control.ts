import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem, type HoldfastError } from '@holdfast/errors';
import {
  type AgentReportSchema,
  ConnectAgentRequestSchema,
  ConnectServerRequestSchema,
  clientTlsOptions,
  type ServerReportSchema,
} from '@holdfast/protocol';
import { isRefusal } from '../membership/is-refusal.ts';
import { openServerLink, serverThing } from '../membership/server-link.ts';
import { requireAuthorized } from '../membership/verify-server.ts';
import { growingWaits, pause } from '../membership/waits.ts';
import type {
  AgentControl,
  AgentControlOptions,
  Control,
  ControlOptions,
  ControlState,
  ServerControl,
  ServerControlOptions,
} from './control.ts';
import { createOutbox } from './outbox.ts';
import { runStream, type StreamKind } from './run-stream.ts';
import { createStateRunner } from './state-runner.ts';

/** First and longest milliseconds between tries while the server is away, and while it refuses this member. */
const AWAY = [500, 30_000] as const;
const REFUSED = [60_000, 600_000] as const;

interface Messages<Request, Response, Report> extends StreamKind<Request, Response> {
  hello(): Promise<Request>;
  report(report: Report): Request;
  /** Where the configuration server says that it is reached. */
  addresses(response: Response): readonly string[];
}

const holdControl = <Request, Response, Report extends object>(
  { membership, log, health, metrics, onState }: Omit<ControlOptions<Response>, 'version'>,
  messages: Messages<Request, Response, Report>,
): Control<Report> => {
  const thing = (): string => serverThing(membership.servers.current());
  const outbox = createOutbox<Report>();
  let state: ControlState = 'connecting';
  let problem: HoldfastError | undefined;
  let failedState: HoldfastError | undefined;
  const away = growingWaits(...AWAY);
  const refused = growingWaits(...REFUSED);

  const states = createStateRunner(onState, (failure) => {
    failedState = failure === undefined ? undefined : fromSystem(failure, 'desired state', 'INTERNAL');
    if (failedState !== undefined) log.error('The desired state could not be put in force', { error: failedState });
  });
  health?.check('configuration server', () => (state === 'refused' ? problem?.message : undefined));
  health?.check('desired state', () => failedState?.message);
  metrics?.gauge({
    name: 'configuration_server_connected',
    help: 'Whether the stream to the configuration server is up',
    collect: (gauge) => gauge.set(state === 'connected' ? 1 : 0),
  });

  let endConnection = (): void => undefined;

  /** One connection from its beginning to its end. Resolves when it was ended here: for a newer certificate, another hello, or by the stop. */
  const connectOnce = async (stopping: AbortSignal): Promise<void> => {
    const server = membership.servers.current();
    const there = serverThing(server);
    let ending = false;
    const end = (): void => {
      ending = true;
      outbox.wake();
    };
    const ignoreRenewals = membership.onRenewed(end);
    endConnection = end;
    stopping.addEventListener('abort', end, { once: true });
    let link: Awaited<ReturnType<typeof openServerLink>> | undefined;
    try {
      const secure = clientTlsOptions(membership.credentials.current(), { role: 'configuration-server' });
      link = await openServerLink({
        server,
        secure,
        signal: stopping,
        check: (socket) => requireAuthorized(socket, there),
      });
      await runStream({
        link,
        thing: there,
        kind: messages,
        hello: await messages.hello(),
        stopping,
        async next() {
          for (; !ending; await outbox.filled()) {
            const report = outbox.take();
            if (report !== undefined) return messages.report(report);
          }
          return undefined;
        },
        onOpen() {
          state = 'connected';
          problem = undefined;
          log.info('The configuration server is connected', { server: there });
        },
        onResponse(response) {
          away.reset();
          refused.reset();
          void membership.servers.learn(messages.addresses(response));
          states.give(response);
        },
      });
    } finally {
      // Whoever still waits for a report on this connection must not take one that the next connection could send.
      end();
      stopping.removeEventListener('abort', end);
      ignoreRenewals();
      link?.close();
    }
  };

  const suffer = (reason: unknown): number => {
    const error = fromSystem(reason, thing(), 'INTERNAL');
    const again = error.code === problem?.code;
    problem = error;
    state = isRefusal(error) ? 'refused' : 'away';
    const wait = (state === 'refused' ? refused : away).next();
    const words =
      state === 'refused'
        ? 'The connection to the configuration server is refused; somebody has to act'
        : 'The configuration server is away; work goes on';
    // The same again and again is no news.
    log[again ? 'debug' : state === 'refused' ? 'error' : 'warn'](words, { error, retryInSeconds: wait / 1000 });
    return wait;
  };

  /** Another address is tried soon: how long it takes to have tried all of them is what the wait is for. */
  const tryNext = async (): Promise<number> => {
    const before = membership.servers.current();
    await membership.servers.next();
    const isFirst = membership.servers.current() === membership.servers.all()[0];
    return membership.servers.current() === before || isFirst ? Number.POSITIVE_INFINITY : AWAY[0];
  };

  return {
    get state() {
      return state;
    },
    get problem() {
      return problem;
    },
    report: outbox.put,
    introduce: () => endConnection(),
    async run(stopping) {
      let news = new AbortController();
      const forget = membership.servers.onNews(() => news.abort());
      while (!stopping.aborted) {
        let wait = 0;
        try {
          state = 'connecting';
          await connectOnce(stopping);
        } catch (reason) {
          if (!stopping.aborted) {
            wait = suffer(reason);
            wait = Math.min(wait, await tryNext());
          }
        }
        await pause(wait, stopping, news.signal);
        if (!news.signal.aborted) continue;
        news = new AbortController();
        // While it was away: what was heard of is tried at once.
        if (wait > 0) await membership.servers.next();
      }
      forget();
      await states.idle();
    },
  };
};

/** An agent's stream to the configuration server. */
export const holdAgentControl = ({ hello, version, ...options }: AgentControlOptions): AgentControl => {
  const { incarnation, hardware } = options.membership;
  return holdControl(options, {
    call: (control, requests, how) => control.connectAgent(requests, how),
    addresses: (response) => response.addresses,
    async hello() {
      const { hostname, manifest } = await hello();
      const value = {
        version,
        incarnation: BigInt(incarnation),
        hardware: { ...hardware, macAddresses: [...hardware.macAddresses] },
        hostname,
        ...(manifest === undefined ? {} : { manifest }),
      };
      return create(ConnectAgentRequestSchema, { message: { case: 'hello', value } });
    },
    report: (value: MessageInitShape<typeof AgentReportSchema>) =>
      create(ConnectAgentRequestSchema, { message: { case: 'report', value } }),
  });
};

/** A process server's stream to the configuration server. */
export const holdServerControl = ({ hello, version, ...options }: ServerControlOptions): ServerControl =>
  holdControl(options, {
    call: (control, requests, how) => control.connectServer(requests, how),
    addresses: (response) => response.addresses,
    async hello() {
      const { endpoints, vaults, vaultReports, fabrics = [] } = await hello();
      const value = {
        version,
        incarnation: BigInt(options.membership.incarnation),
        endpoints: [...endpoints],
        vaults: [...vaults],
        ...(vaultReports !== undefined && { vaultReports: [...vaultReports], vaultsById: true }),
        fabrics: [...fabrics],
      };
      return create(ConnectServerRequestSchema, { message: { case: 'hello', value } });
    },
    report: (value: MessageInitShape<typeof ServerReportSchema>) =>
      create(ConnectServerRequestSchema, { message: { case: 'report', value } }),
  });
