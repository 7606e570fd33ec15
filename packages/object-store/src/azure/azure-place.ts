import { isIP } from 'node:net';
import { HoldfastError } from '@holdfast/errors';
import { checkName } from '../name.ts';

/** A container, or what lies below a prefix in it. */
export interface AzurePlace {
  /** Where the account answers: `https://ACCOUNT.blob.core.windows.net`, or with the account as first part of the path. */
  readonly endpoint: string;
  readonly account: string;
  readonly container: string;
  /** Stands before the name of every object: empty, or it ends in `/`. */
  readonly prefix: string;
  /** The place as people write it. */
  readonly url: string;
}

/** https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
const CONTAINER = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;

/**
 * Reads `azure:https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]`. Behind an address without a domain name, as Azurite has, the account is
 * the first part of the path: `azure:http://127.0.0.1:10000/devstoreaccount1/CONTAINER`. A URL with a secret in it is refused without
 * repeating it. Errors: SETTING_INVALID.
 */
export const parseAzureUrl = (text: string): AzurePlace => {
  const url = URL.parse(text.replace(/^azure:/, ''));
  if (!text.startsWith('azure:') || url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw invalid(text, 'it is not the URL of a container');
  if (url.search !== '' || url.username !== '' || url.password !== '' || url.hash !== '')
    throw invalid(text, 'a secret, a query or a fragment has no place in it', 'give the secret as a setting, a file or in the environment');
  const parts = url.pathname.split('/').slice(1);
  if (parts.at(-1) === '') parts.pop();
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const accountInPath = host === 'localhost' || isIP(host) !== 0;
  const account = accountInPath ? parts.shift() : host.split('.')[0];
  const container = parts.shift();
  if (account === undefined || container === undefined) throw invalid(text, 'it names no container');
  if (!CONTAINER.test(container))
    throw invalid(text, `"${container}" is no container name: 3 to 63 lower-case letters, digits and single hyphens between them`);
  const prefix = parts.join('/');
  if (prefix !== '') checkName(prefix);
  const endpoint = accountInPath ? `${url.origin}/${account}` : url.origin;
  return {
    endpoint,
    account,
    container,
    prefix: prefix === '' ? '' : `${prefix}/`,
    url: `azure:${[endpoint, container, ...parts].join('/')}`,
  };
};

/** True when what is sent to this place can be read by nobody on the way. */
export const isPrivate = ({ endpoint }: AzurePlace): boolean => {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || /^127[.\d]+$/.test(hostname);
};

const invalid = (
  text: string,
  why: string,
  remedy = 'give a URL like azure:https://ACCOUNT.blob.core.windows.net/CONTAINER',
): HoldfastError => new HoldfastError('SETTING_INVALID', { thing: `store ${withoutSecrets(text)}`, why, remedy });

/** A SAS stands behind the `?`, a password before the `@`. */
const withoutSecrets = (text: string): string => text.replace(/[?#].*$/s, '?…').replace(/\/\/[^/]*@/, '//…@');
