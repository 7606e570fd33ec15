import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import type {
  AgentReportSchema,
  ConnectAgentResponse,
  ConnectServerResponse,
  FabricReportSchema,
  ManifestSchema,
  ServerReportSchema,
  VaultReportSchema,
} from '@holdfast/protocol';
import type { Health } from '../health/health.ts';
import type { Log } from '../log/log.ts';
import type { Membership } from '../membership/membership.ts';
import type { Metrics } from '../metrics/metrics.ts';

/**
 * `away`: nobody answers, it is tried again soon. `refused`: the configuration server does not want this member (revoked, cloned, forgotten);
 * somebody has to do something, and it is tried again rarely.
 */
export type ControlState = 'connecting' | 'connected' | 'away' | 'refused';

/** The stream to the configuration server, kept up for the program's whole life. */
export interface Control<Report> {
  readonly state: ControlState;
  /** Why it is not connected. */
  readonly problem: HoldfastError | undefined;
  /**
   * Says how things are. Never blocks: only the newest report waits to be sent, and takes over the events of those it replaces (the newest 256).
   * One made while nobody is connected is sent after the next hello. What was on its way when the connection broke is lost.
   */
  report(report: Report): void;
  /** What its hello tells has changed: says it again, by a new connection. Nothing where there is none: the next begins with it. */
  introduce(): void;
  /** Keeps the stream up until `stopping` aborts. For `run` of ProgramContext; never rejects for what the other side does. */
  run(stopping: AbortSignal): Promise<void>;
}

/** What both kinds of stream need. */
export interface ControlOptions<State> {
  readonly membership: Membership;
  readonly version: string;
  readonly log: Log;
  readonly health?: Health;
  readonly metrics?: Metrics;
  /**
   * The whole desired state, each time it changes and after each connect. Calls follow each other; of states that come during a call only
   * the newest is handed on. A rejection is logged and a problem of health, and the stream stays up.
   */
  onState(state: State): void | Promise<void>;
}

/** What an agent says first; version, incarnation and hardware are added. */
export interface AgentGreeting {
  readonly hostname: string;
  readonly manifest?: MessageInitShape<typeof ManifestSchema>;
}

export interface AgentControlOptions extends ControlOptions<ConnectAgentResponse> {
  /** Asked at each connect. */
  hello(): AgentGreeting | Promise<AgentGreeting>;
}

/** What a process server says first; version and incarnation are added. */
export interface ServerGreeting {
  readonly endpoints: readonly string[];
  readonly vaults: readonly string[];
  /** The same vaults, with what is known of them; where given, the configuration server may mean vaults by their ids. */
  readonly vaultReports?: readonly MessageInitShape<typeof VaultReportSchema>[];
  /** Where it can start machines; none unless told. */
  readonly fabrics?: readonly MessageInitShape<typeof FabricReportSchema>[];
}

export interface ServerControlOptions extends ControlOptions<ConnectServerResponse> {
  /** Asked at each connect. */
  hello(): ServerGreeting | Promise<ServerGreeting>;
}

export type AgentControl = Control<MessageInitShape<typeof AgentReportSchema>>;
export type ServerControl = Control<MessageInitShape<typeof ServerReportSchema>>;
