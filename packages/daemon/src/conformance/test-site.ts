import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HoldfastError } from '@holdfast/errors';
import type {
  AgentHello,
  AgentReport,
  ConnectAgentResponseSchema,
  ConnectServerResponseSchema,
  EnrolRequest,
  ServerHello,
  ServerReport,
} from '@holdfast/protocol';
import type { TestAuthority } from '@holdfast/protocol/conformance';
import type { Address } from '../settings/kinds.ts';

/** What an enrolment made. */
export interface TestMember {
  readonly id: string;
  readonly incarnation: number;
  readonly request: EnrolRequest;
}

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

/** A small configuration server in the process of a test: real TLS, real certificates, real streams; what it says is told by the test. */
export interface TestSite {
  readonly authority: TestAuthority;
  readonly address: Address;
  readonly fingerprint: string;
  /** A new one-time token. */
  createToken(): string;
  readonly members: readonly TestMember[];
  readonly agents: TestRoom<MessageInitShape<typeof ConnectAgentResponseSchema>, AgentHello, AgentReport>;
  readonly servers: TestRoom<MessageInitShape<typeof ConnectServerResponseSchema>, ServerHello, ServerReport>;
  /** Milliseconds a certificate lives from now on. Default: an hour. */
  lifetime: number;
  /** Renewals that went well. */
  readonly renewals: number;
  /** Calls of this member fail with CERTIFICATE_REVOKED from now on, and its live streams end with it. */
  revoke(id: string): void;
  /** Cuts all connections and answers nobody until `start`. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Opens one on a free port of 127.0.0.1. */
export const openTestSite = async (): Promise<TestSite> => {
  throw new Error('not here yet');
};
