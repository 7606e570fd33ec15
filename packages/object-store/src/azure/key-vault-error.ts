import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { scrub } from './scrub.ts';

type Meaning = readonly [ErrorCode, remedy: string];

const GRANT: Meaning = [
  'NO_PERMISSION',
  'give the identity the right to unwrap with this key (to wrap and to get it, for who adds it as a holder)',
];
const LATER: Meaning = ['KEY_SERVICE_UNAVAILABLE', "try again, or use another holder's key"];

/** https://learn.microsoft.com/azure/key-vault/general/rest-error-codes; the code decides and never the status. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map(
  Object.entries<Meaning>({
    Forbidden: GRANT,
    Unauthorized: GRANT,
    KeyNotFound: ['KEY_NOT_FOUND', "check the name of the key; a version that was purged is gone, use another holder's key"],
    BadParameter: ['SETTING_INVALID', 'use an RSA key'],
    KeyTypeNotSupported: ['SETTING_INVALID', 'use an RSA key'],
  }),
);

/** The part of the SDK's errors that is looked at. */
interface SdkError extends Error {
  readonly code?: string;
  readonly details?: {
    readonly error?: { readonly code?: string; readonly message?: string; readonly innerError?: { readonly code?: string } };
  };
  readonly response?: { readonly status: number };
}

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;

/** What the SDK threw, in the words of the service. The SDK's error is not kept: it holds the request, and with it the token. */
export const explainKeyVaultError = (reason: unknown, id: string, what: 'wrap' | 'unwrap'): HoldfastError => {
  if (reason instanceof HoldfastError) return reason;
  const error = (reason instanceof Error ? reason : new Error(String(reason))) as SdkError;
  const words = scrub(error.message.split('\n', 1)[0]!, []);
  if (error.response === undefined) return explainNoAnswer(error, id, scrub(error.message.replaceAll(/\s*\n\s*/g, ' '), []));
  const { code = '', message = '', innerError } = error.details?.error ?? {};
  const detail = innerError?.code === undefined ? '' : ` (${innerError.code})`;
  const why = `the service answered ${code === '' ? `with status ${error.response.status}` : code}${detail}: ${scrub(message, []).split('\n', 1)[0] || words}`;
  // What a service cannot unwrap was not wrapped by it.
  if (code === 'BadParameter' && what === 'unwrap')
    return new HoldfastError('DAMAGED', {
      thing: `secret wrapped by ${id}`,
      why,
      remedy: "use another holder's key, or a copy of the vault",
    });
  const [meaning, remedy] = MEANINGS.get(code) ?? LATER;
  return new HoldfastError(meaning, { thing: id, why, remedy });
};

const explainNoAnswer = (error: SdkError, thing: string, words: string): HoldfastError => {
  if (/Credential|Authentication/.test(error.name))
    return new HoldfastError('NO_PERMISSION', {
      thing,
      why: `no identity was found: ${words}`,
      remedy: 'give this machine an identity, or sign in with `az login`',
    });
  if (UNTRUSTED.test(error.code ?? ''))
    return new HoldfastError('SETTING_INVALID', {
      thing,
      why: `the certificate of the service is not trusted: ${words} (${error.code})`,
      remedy: 'give the certificate authority that signed it, if it is yours',
    });
  return new HoldfastError(LATER[0], { thing, why: `no whole answer came: ${words}`, remedy: LATER[1] });
};
