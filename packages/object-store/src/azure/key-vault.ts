import { getCACertificates } from 'node:tls';
import type { TokenCredential } from '@azure/core-auth';
import type { CryptographyClientOptions, KeyClientOptions } from '@azure/keyvault-keys';
import { HoldfastError } from '@holdfast/errors';
import { explainKeyVaultError } from './key-vault-error.ts';

/** A key in Azure Key Vault or a Managed HSM: it wraps secrets, and never leaves the service. */
export interface KeyVaultKey {
  /** `https://VAULT.vault.azure.net/keys/NAME`, lower case, without a version. */
  readonly id: string;
  /**
   * Encrypts a secret under the newest version of the key. Errors: NO_PERMISSION, KEY_NOT_FOUND, KEY_SERVICE_UNAVAILABLE, SETTING_INVALID (no RSA key), in
   * the words of the service.
   */
  wrap(secret: Uint8Array): Promise<{ readonly version: string; readonly wrapped: Uint8Array }>;
  /** Errors: as `wrap`; DAMAGED when this version of the key did not wrap it. */
  unwrap(version: string, wrapped: Uint8Array): Promise<Uint8Array>;
}

export interface KeyVaultOptions {
  /** By what right we come; unless told the identity of the machine, or whoever is signed in with `az login`. */
  readonly credential?: TokenCredential;
  /** Which managed identity, where there are several. */
  readonly clientId?: string;
  /** Certificates (PEM) to be trusted beside those the machine trusts. */
  readonly certificateAuthorities?: string;
}

/** RSA keys of Key Vault know it, in software and in an HSM: https://learn.microsoft.com/azure/key-vault/keys/about-keys-details */
const ALGORITHM = 'RSA-OAEP-256';
/** Milliseconds one question to the service may take, the SDK's own repetitions included. */
const LIMIT = 30_000;

/** Whose tokens a host may see. The SDK would ask for what the host's answer names. */
const AUDIENCES: readonly (readonly [suffix: string, audience: string])[] = [
  'vault.azure.net',
  'vault.azure.cn',
  'vault.usgovcloudapi.net',
  'managedhsm.azure.net',
  'managedhsm.azure.cn',
  'managedhsm.usgovcloudapi.net',
].map((domain) => [`.${domain}`, `https://${domain}/.default`]);

interface KeyPlace {
  readonly id: string;
  readonly vaultUrl: string;
  readonly name: string;
  readonly audience: string;
  /** On this machine: an emulator. */
  readonly isLoopback: boolean;
}

/** Reads the URL of a key. Errors: SETTING_INVALID. */
const parseKeyUrl = (text: string): KeyPlace => {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '')
    throw invalid(text, 'it is not the https URL of a key');
  const [, keys, name, version, ...more] = url.pathname.replace(/\/$/, '').split('/');
  if (keys !== 'keys' || name === undefined || !/^[0-9A-Za-z-]{1,127}$/.test(name) || more.length > 0)
    throw invalid(text, 'its path is not /keys/NAME');
  if (version !== undefined) throw invalid(text, 'it names one version of the key, and the key shall be rotated', `leave /${version} out`);
  const isLoopback = /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(url.hostname);
  const audience = isLoopback ? AUDIENCES[0]![1] : AUDIENCES.find(([suffix]) => url.hostname.endsWith(suffix))?.[1];
  if (audience === undefined) throw invalid(text, 'its host is none of Azure Key Vault, and would be shown the token of this machine');
  return { id: `${url.origin}/keys/${name.toLowerCase()}`, vaultUrl: url.origin, name, audience, isLoopback };
};

const invalid = (text: string, why: string, remedy = 'give it like https://VAULT.vault.azure.net/keys/NAME'): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: `key ${text.replace(/[?#].*$/s, '?…').replace(/\/\/[^/]*@/, '//…@')}`, why, remedy });

/** The key that a URL names. Nothing is asked before it is used. Errors: SETTING_INVALID. */
export const createKeyVaultKey = (url: string, options: KeyVaultOptions = {}): KeyVaultKey => {
  const place = parseKeyUrl(url);
  const { id, vaultUrl, name, isLoopback } = place;
  let credential: Promise<TokenCredential> | undefined;
  const clientOptions = (): KeyClientOptions & CryptographyClientOptions => ({
    disableChallengeResourceVerification: isLoopback,
    retryOptions: { maxRetries: 2, maxRetryDelayInMs: 2000 },
    ...(options.certificateAuthorities !== undefined && {
      tlsOptions: { ca: [...getCACertificates('default'), options.certificateAuthorities].join('\n') },
    }),
  });
  const ask = async <T>(
    what: 'wrap' | 'unwrap',
    question: (sdk: Sdk, credential: TokenCredential, limit: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const limit = AbortSignal.timeout(LIMIT);
    try {
      credential ??= pinned(options, place.audience);
      return await question(await import('@azure/keyvault-keys'), await credential, limit);
    } catch (reason) {
      throw explainKeyVaultError(limit.aborted ? new Error(`no answer within ${LIMIT / 1000} s`) : reason, id, what);
    }
  };
  return {
    id,
    wrap: (secret) =>
      ask('wrap', async ({ CryptographyClient, KeyClient }, token, abortSignal) => {
        const key = await new KeyClient(vaultUrl, token, clientOptions()).getKey(name, { abortSignal });
        const { result } = await new CryptographyClient(key, token, clientOptions()).wrapKey(ALGORITHM, secret, { abortSignal });
        return { version: key.properties.version!, wrapped: result };
      }),
    unwrap: (version, wrapped) =>
      ask('unwrap', async ({ CryptographyClient }, token, abortSignal) => {
        // The version comes out of a slot, which comes from outside.
        if (!/^[0-9A-Za-z-]{1,127}$/.test(version))
          throw new HoldfastError('DAMAGED', {
            thing: id,
            why: `it can have no version ${JSON.stringify(version)}`,
            remedy: "use another holder's key",
          });
        const client = new CryptographyClient(`${vaultUrl}/keys/${name}/${version}`, token, clientOptions());
        return (await client.unwrapKey(ALGORITHM, wrapped, { abortSignal })).result;
      }),
  };
};

type Sdk = typeof import('@azure/keyvault-keys');

/** Gives tokens for the service that the URL names, whatever the answer of the host asks for. */
const pinned = async ({ credential, clientId }: KeyVaultOptions, audience: string): Promise<TokenCredential> => {
  let own = credential;
  if (own === undefined) {
    const { DefaultAzureCredential } = await import('@azure/identity');
    own = new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId });
  }
  const source = own;
  return { getToken: (_, tokenOptions) => source.getToken(audience, tokenOptions) };
};
