import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { objectExists, objectNotFound } from '../outcome.ts';
import { scrub } from './scrub.ts';

/** What the service answered: the cause of the error made of it. */
export interface AzureAnswer extends Error {
  readonly status: number;
  /** One of https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes, empty when something before the service answered. */
  readonly code: string;
  readonly requestId: string;
  /** How long the service wants to be left alone. */
  readonly retryAfterMs?: number;
}

type Meaning = readonly [ErrorCode, remedy: string];

const GRANT: Meaning = ['NO_PERMISSION', 'check the rights and the expiry of the credential, and the clock of this machine'];
const ACCOUNT: Meaning = ['NO_PERMISSION', 'ask whoever runs the storage account'];
const CONTAINER: Meaning = ['STORE_NOT_FOUND', 'check account and container; create the container if it is to be a new one'];
const HELD: Meaning = ['OBJECT_LOCKED', 'wait until the policy, hold or lease on it has ended, or have it ended'];
const COLD: Meaning = [
  'OBJECT_LOCKED',
  'move it to an online tier (`az storage blob set-tier --tier Hot`) and wait until it is there, which takes hours; switch off the rule that archives objects of a vault',
];
const LATER: Meaning = ['STORE_UNAVAILABLE', 'try again'];

/*
 * The code decides and never the status: 404 is said of an object and of its container, 409 of a name that is taken, a policy and an archived
 * object, 403 of a wrong key and of a right that is missing.
 */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map(
  Object.entries<Meaning>({
    AccountIsDisabled: ACCOUNT,
    AuthenticationFailed: GRANT,
    AuthorizationFailure: GRANT,
    AuthorizationPermissionMismatch: GRANT,
    AuthorizationProtocolMismatch: GRANT,
    AuthorizationResourceTypeMismatch: GRANT,
    AuthorizationServiceMismatch: GRANT,
    AuthorizationSourceIPMismatch: GRANT,
    BlobArchived: COLD,
    BlobBeingRehydrated: COLD,
    BlobImmutableDueToPolicy: HELD,
    ContainerBeingDeleted: CONTAINER,
    ContainerDisabled: ACCOUNT,
    ContainerNotFound: CONTAINER,
    InsufficientAccountPermissions: ACCOUNT,
    InvalidAuthenticationInfo: GRANT,
    KeyBasedAuthenticationNotPermitted: ACCOUNT,
    LeaseIdMissing: HELD,
    NoAuthenticationInformation: GRANT,
    PublicAccessNotPermitted: GRANT,
    RequestBodyTooLarge: ['SETTING_INVALID', 'make the object smaller'],
    ResourceNotFound: CONTAINER,
    SnapshotsPresent: HELD,
  }),
);

/** Codes by which the service says that the name of a new object is taken. */
const TAKEN = new Set(['BlobAlreadyExists', 'ConditionNotMet', 'InvalidBlobType', 'UnauthorizedBlobOverwrite']);

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;

/** The part of the SDK's errors that is looked at. */
interface SdkError extends Error {
  readonly code?: string;
  readonly details?: { readonly code?: string; readonly message?: string; readonly authenticationErrorDetail?: string };
  readonly response?: { readonly status: number; readonly headers: { get(name: string): string | undefined } };
}

/**
 * Makes what the SDK threw during a request for the object `name` into a HoldfastError, in the service's own words and without `secrets`. The
 * SDK's error is not kept as the cause: it holds the request, and with it the credential.
 */
export const explainAzureError = (reason: unknown, store: string, name: string, secrets: readonly string[]): HoldfastError => {
  if (reason instanceof HoldfastError) return reason;
  const error = (reason instanceof Error ? reason : new Error(String(reason))) as SdkError;
  const thing = `${store}/${name}`;
  if (error.response === undefined) return explainNoAnswer(error, thing, secrets);
  const answer = answerOf(error, error.response, secrets);
  if (answer.code === 'BlobNotFound') return objectNotFound(name, answer);
  if (TAKEN.has(answer.code)) return objectExists(name, answer);
  const [code, remedy] = MEANINGS.get(answer.code) ?? LATER;
  const who =
    answer.code === '' ? `answered with status ${answer.status} and no code of the service` : `the service answered ${answer.code}`;
  return new HoldfastError(code, { thing, why: `${who}: ${answer.message} (request ${answer.requestId})`, remedy, cause: answer });
};

const explainNoAnswer = (error: SdkError, thing: string, secrets: readonly string[]): HoldfastError => {
  const lines = scrub(error.message, secrets)
    .split('\n')
    .map((line) => line.trim());
  const cause = new Error(lines.join('\n'));
  // One line for each kind of identity that was tried.
  if (/Credential|Authentication/.test(error.name))
    return new HoldfastError('NO_PERMISSION', {
      thing,
      why: `no identity was found: ${lines.join(' ')}`,
      remedy: 'give this machine an identity, or set another kind of credential',
      cause,
    });
  const words = lines[0]!;
  if (UNTRUSTED.test(error.code ?? ''))
    return new HoldfastError('SETTING_INVALID', {
      thing,
      why: `the certificate of the service is not trusted: ${words} (${error.code})`,
      remedy: 'give the certificate authority that signed it, if it is yours',
      cause,
    });
  return new HoldfastError('STORE_UNAVAILABLE', {
    thing,
    why: `no whole answer came: ${words}`,
    remedy: 'look at the network, then try again',
    cause,
  });
};

const answerOf = (error: SdkError, { status, headers }: NonNullable<SdkError['response']>, secrets: readonly string[]): AzureAnswer => {
  // An answer to HEAD has nothing but headers.
  const code = headers.get('x-ms-error-code') ?? error.details?.code ?? '';
  const said = error.details?.message ?? '';
  const detail = error.details?.authenticationErrorDetail ?? '';
  const words = [said.split('\n', 1)[0]!, detail].filter((text) => text !== '').join(' ') || `status ${status}`;
  const retryAfterMs = retryAfterOf(headers.get('retry-after'));
  return Object.assign(new Error(scrub(words, secrets).trim()), {
    status,
    code,
    requestId: headers.get('x-ms-request-id') ?? 'without an id',
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
};

/** Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
const retryAfterOf = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
};
