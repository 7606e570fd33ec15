import { readFile } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/errors';
import { type AzurePlace, isPrivate } from './azure-place.ts';

/** A secret, or what tells it. It is asked for before every request, so it may change while the store is open: a SAS is renewed that way. */
export type Secret = string | (() => string | Promise<string>);

/** By what right we come. `identity`: the managed identity of the machine, a workload identity, or whoever is signed in with `az login`. */
export type AzureCredential =
  | { readonly kind: 'key'; readonly key: Secret }
  | { readonly kind: 'sas'; readonly sas: Secret }
  | { readonly kind: 'connection-string'; readonly text: Secret }
  | { readonly kind: 'identity'; readonly clientId?: string };

/** A credential with its secret at hand. */
export type AzureAccess =
  | { readonly kind: 'key'; readonly secret: string }
  | { readonly kind: 'sas'; readonly secret: string }
  | { readonly kind: 'identity'; readonly clientId: string | undefined };

/** A secret kept in a file, read each time it is needed. Errors (when used): NO_PERMISSION. */
export const fileSecret =
  (path: string): Secret =>
  async () => {
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (cause) {
      // Not OBJECT_NOT_FOUND: whoever asks for an object would take that for an answer about the object.
      throw new HoldfastError('NO_PERMISSION', {
        thing: path,
        why: `the secret in it cannot be read (${(cause as NodeJS.ErrnoException).code})`,
        remedy: 'put the secret there, readable by this process alone',
        cause,
      });
    }
  };

/**
 * The credential that the environment holds, by the names the Azure CLI uses: AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_SAS_TOKEN or
 * AZURE_STORAGE_KEY, each also with _FILE behind it for the path of a file; with none of them an identity (AZURE_CLIENT_ID chooses among several).
 * Errors: SETTING_INVALID when there are two.
 */
export const credentialFromEnvironment = (environment: Readonly<Record<string, string | undefined>>): AzureCredential => {
  const found: { name: string; credential: AzureCredential }[] = [];
  const look = (name: string, credentialOf: (secret: Secret) => AzureCredential): void => {
    const [value, file] = [environment[name], environment[`${name}_FILE`]];
    if (value) found.push({ name, credential: credentialOf(value) });
    if (file) found.push({ name: `${name}_FILE`, credential: credentialOf(fileSecret(file)) });
  };
  look('AZURE_STORAGE_CONNECTION_STRING', (text) => ({ kind: 'connection-string', text }));
  look('AZURE_STORAGE_SAS_TOKEN', (sas) => ({ kind: 'sas', sas }));
  look('AZURE_STORAGE_KEY', (key) => ({ kind: 'key', key }));
  const [first, second] = found;
  if (first !== undefined && second !== undefined)
    throw invalid(`environment ${first.name} and ${second.name}`, 'both are set and only one can be used', 'remove one of them');
  const clientId = environment['AZURE_CLIENT_ID'];
  return first?.credential ?? { kind: 'identity', ...(clientId && { clientId }) };
};

/** Gets the secret and checks that it can be one for this place. Errors: SETTING_INVALID, NO_PERMISSION. */
export const resolveAccess = async (credential: AzureCredential, place: AzurePlace): Promise<AzureAccess> => {
  switch (credential.kind) {
    case 'identity':
      return { kind: 'identity', clientId: credential.clientId };
    case 'key':
      return { kind: 'key', secret: checkKey(await tell(credential.key)) };
    case 'sas':
      return { kind: 'sas', secret: checkSas(await tell(credential.sas), place) };
    case 'connection-string':
      return fromConnectionString(await tell(credential.text), place);
  }
};

const tell = async (secret: Secret): Promise<string> => (typeof secret === 'string' ? secret : await secret()).trim();

const checkKey = (key: string): string => {
  if (/^[A-Za-z0-9+/]{20,}={0,2}$/.test(key)) return key;
  throw invalid('account key', 'it is not base64', 'copy the key of the storage account again');
};

const checkSas = (text: string, place: AzurePlace): string => {
  const sas = text.replace(/^\?/, '');
  if (!new URLSearchParams(sas).has('sig') || /[\s/]/.test(sas))
    throw invalid('SAS', 'it has no signature', 'give the whole token, which begins like sv=… and holds sig=…, without a URL before it');
  if (!isPrivate(place)) throw invalid(`store ${place.url}`, 'a SAS would be sent over plain http for everybody to read', 'use https');
  return sas;
};

/** https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string; only the secret is taken from it, the URL says where. */
const fromConnectionString = (text: string, place: AzurePlace): AzureAccess => {
  const fields = new Map(text.split(';').map((field): [string, string] => [field.split('=', 1)[0]!.trim(), field.replace(/^[^=]*=/, '')]));
  const account = fields.get('AccountName');
  const host = URL.parse(fields.get('BlobEndpoint') ?? '')?.host;
  if ((account !== undefined && account !== place.account) || (host !== undefined && host !== new URL(place.endpoint).host))
    throw invalid('connection string', `it is for ${host ?? account} and the store is ${place.url}`, 'give the one of this account');
  const [key, sas] = [fields.get('AccountKey'), fields.get('SharedAccessSignature')];
  if (key !== undefined) return { kind: 'key', secret: checkKey(key) };
  if (sas !== undefined) return { kind: 'sas', secret: checkSas(sas, place) };
  throw invalid('connection string', 'it holds neither AccountKey nor SharedAccessSignature', 'copy it again from the storage account');
};

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });
