// What a scripted configuration server tells, and what its parts share.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/errors';
import type {
  AccessTokenSchema,
  AlertSchema,
  AuditRecordSchema,
  EventSchema,
  GetReconciliationResponseSchema,
  JobSchema,
  MachineSchema,
  PlanRunSchema,
  PointKind,
  PolicySchema,
  Proof,
  ProtectionSchema,
  RecoveryPlanSchema,
  RecoveryPointSchema,
  RecoverySchema,
  ServerSchema,
  TokenSchema,
  UnusualWritingSchema,
  UserSchema,
  Vault,
} from '@holdfast/protocol';

export const TOKEN = 'a-token-of-tests';

/** When the session of the scripted person ends, milliseconds since 1970. */
export const SESSION_END = Date.UTC(2026, 10, 22, 13);

/** What the server tells; change it at will. */
export interface Script {
  machines: MessageInitShape<typeof MachineSchema>[];
  protections: MessageInitShape<typeof ProtectionSchema>[];
  policies: MessageInitShape<typeof PolicySchema>[];
  servers: MessageInitShape<typeof ServerSchema>[];
  vaults: Vault[];
  tokens: MessageInitShape<typeof TokenSchema>[];
  jobs: MessageInitShape<typeof JobSchema>[];
  users: MessageInitShape<typeof UserSchema>[];
  /** By name; whoever signs in with it gets the one token there is. */
  passwords: Record<string, string>;
  accessTokens: MessageInitShape<typeof AccessTokenSchema>[];
  /** What comes as a backup, part by part; an error ends it. */
  backup: (string | Error)[];
  /** Whether it was restored, and what it waits for. */
  reconciliation: MessageInitShape<typeof GetReconciliationResponseSchema>;
  /** Where the certificate authority is on its way to another one, and for whom it waits. */
  authority: { phase: string; waitingFor: string[] };
  /** The gravest first. */
  alerts: MessageInitShape<typeof AlertSchema>[];
  audit: MessageInitShape<typeof AuditRecordSchema>[];
  /** Kinds of the points that were asked for. */
  asked: PointKind[];
  /** Newest first. */
  points: MessageInitShape<typeof RecoveryPointSchema>[];
  /** Times of unusual writing, and the newest proof that passed, as told with the points. */
  writings: MessageInitShape<typeof UnusualWritingSchema>[];
  lastProven: Proof | undefined;
  recoveries: MessageInitShape<typeof RecoverySchema>[];
  plans: MessageInitShape<typeof RecoveryPlanSchema>[];
  runs: MessageInitShape<typeof PlanRunSchema>[];
  /** What was asked of recoveries and plans, as it came. */
  orders: unknown[];
  /** Operations on machines that are refused now. */
  impossible: readonly string[];
  /** Oldest first. */
  events: MessageInitShape<typeof EventSchema>[];
  /** Called before each call is answered; may throw, wait, or change what is told. */
  before(method: string): unknown;
  /** What is said in the header `date`. */
  date?: string;
  /** What is told of who the authority followed. */
  successor?: string | undefined;
}

export const emptyScript = (): Script => ({
  machines: [],
  protections: [],
  policies: [],
  servers: [],
  vaults: [],
  tokens: [],
  jobs: [],
  points: [],
  writings: [],
  lastProven: undefined,
  recoveries: [],
  plans: [],
  runs: [],
  orders: [],
  impossible: [],
  asked: [],
  users: [],
  passwords: {},
  accessTokens: [],
  backup: [],
  reconciliation: {},
  authority: { phase: 'steady', waitingFor: [] },
  alerts: [],
  audit: [],
  events: [],
  before: () => {},
});

/** A page of `all`, whose token is the number of rows before it. */
export const page = <Row>(all: readonly Row[], { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string }) => {
  const from = Number(pageToken || 0);
  const to = from + (pageSize || 100);
  return { rows: all.slice(from, to), nextPageToken: to < all.length ? String(to) : '' };
};

export const conflict = (thing: string): HoldfastError =>
  new HoldfastError('VERSION_CONFLICT', { thing, why: 'it was changed by somebody else', remedy: 'read it again' });
