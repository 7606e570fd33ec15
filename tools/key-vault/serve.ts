// The process behind `startKeyVault`: Azure Key Vault's REST API for keys, https://learn.microsoft.com/rest/api/keyvault/keys, and the managed identity
// of a machine, https://learn.microsoft.com/azure/app-service/overview-managed-identity. Told what to do over the channel to the parent process.
import { constants, generateKeyPairSync, type KeyObject, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { KeyRight, KeyVaultCommand } from './key-vault.ts';

const [, , certificate, key, identitySecret] = process.argv as [string, string, string, string, string];

interface Version {
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  enabled: boolean;
}

const keys = new Map<string, Version[]>();
/** What the bearer of a token may do. */
const rights = new Map<string, readonly KeyRight[]>();
let identity = '';
/** Answers to come that are 429 or 503. */
let busy: number[] = [];

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  constructor(status: number, code: string, message: string, inner?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = inner;
  }
}

const PADDING = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

const versionOf = (name: string, version: string): Version => {
  const versions = keys.get(name.toLowerCase());
  const found = version === '' ? versions?.at(-1) : versions?.find(({ id }) => id === version);
  if (found === undefined)
    throw new Refusal(404, 'KeyNotFound', `A key with (name/id) ${name}/${version} was not found in this key vault.`);
  return found;
};

const demand = (request: IncomingMessage, right: KeyRight): void => {
  const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
  const granted = rights.get(token);
  if (granted === undefined) throw new Refusal(401, 'Unauthorized', 'AKV10022: Invalid audience.');
  if (!granted.includes(right))
    throw new Refusal(403, 'Forbidden', `The user does not have keys ${right} permission on key vault.`, 'ForbiddenByPolicy');
};

const describe = (name: string, { id, publicKey, enabled }: Version, host: string) => {
  const { n, e } = publicKey.export({ format: 'jwk' });
  return {
    key: { kid: `https://${host}/keys/${name}/${id}`, kty: 'RSA', key_ops: ['wrapKey', 'unwrapKey'], n, e },
    attributes: { enabled, created: 1, updated: 1, recoveryLevel: 'Recoverable' },
  };
};

const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
  if (request.headers.authorization === undefined) {
    response.setHeader(
      'WWW-Authenticate',
      'Bearer authorization="https://login.microsoftonline.com/holdfast-test", resource="https://vault.azure.net"',
    );
    throw new Refusal(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.');
  }
  const status = busy.shift();
  if (status !== undefined) throw new Refusal(status, status === 429 ? 'Throttled' : 'ServiceUnavailable', 'The service is busy.');
  const host = request.headers.host!;
  const { pathname } = new URL(request.url!, `https://${host}`);
  const [, , name = '', version = '', operation] = pathname.split('/');
  if (request.method === 'GET') {
    demand(request, 'get');
    return describe(name, versionOf(name, version), host);
  }
  const right = operation === 'wrapkey' ? 'wrapKey' : 'unwrapKey';
  demand(request, right);
  const { alg, value } = (await json(request)) as { alg: string; value: string };
  const found = versionOf(name, version);
  if (!found.enabled) throw new Refusal(403, 'Forbidden', `Operation ${right} is not allowed on a disabled key.`, 'KeyDisabled');
  if (alg !== 'RSA-OAEP-256') throw new Refusal(400, 'BadParameter', `Key and signing algorithm are incompatible: ${alg}`);
  try {
    const content = Buffer.from(value, 'base64url');
    const made =
      right === 'wrapKey'
        ? publicEncrypt({ key: found.publicKey, ...PADDING }, content)
        : privateDecrypt({ key: found.privateKey, ...PADDING }, content);
    return { kid: `https://${host}/keys/${name}/${found.id}`, value: made.toString('base64url') };
  } catch {
    throw new Refusal(400, 'BadParameter', 'The parameter is incorrect.');
  }
};

const vault = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  answer(request, response)
    .then((body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)))
    .catch((reason: unknown) => {
      const { status, code, inner, message } = reason instanceof Refusal ? reason : new Refusal(500, 'InternalError', String(reason));
      const error = { code, message, ...(inner !== undefined && { innererror: { code: inner } }) };
      if (status === 429) response.setHeader('retry-after', '0');
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
    });
});

/** Who is on the machine gets its token, for the service it asks for. */
const identityEndpoint = http.createServer((request, response) => {
  const { searchParams } = new URL(request.url!, 'http://identity');
  const isFit = request.headers['x-identity-header'] === identitySecret && searchParams.get('resource') === 'https://vault.azure.net';
  response.writeHead(isFit ? 200 : 400, { 'content-type': 'application/json' });
  const expires = Math.floor(Date.now() / 1000) + 3600;
  response.end(
    JSON.stringify(
      isFit
        ? { access_token: identity, expires_on: `${expires}`, resource: 'https://vault.azure.net', token_type: 'Bearer' }
        : { error: 'invalid' },
    ),
  );
});

const obey = (command: KeyVaultCommand): unknown => {
  switch (command.do) {
    case 'create-version': {
      const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const version: Version = { id: randomBytes(16).toString('hex'), enabled: true, ...pair };
      keys.set(command.name, [...(keys.get(command.name) ?? []), version]);
      return version.id;
    }
    case 'enable':
      for (const version of keys.get(command.name) ?? []) version.enabled = command.enabled;
      return undefined;
    case 'purge':
      keys.delete(command.name);
      return undefined;
    case 'grant': {
      const token = randomBytes(16).toString('hex');
      rights.set(token, command.rights);
      if (command.toIdentity) identity = token;
      return token;
    }
    case 'be-busy':
      busy = [...command.statuses];
      return undefined;
  }
};

for (const server of [vault, identityEndpoint]) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}
process.on('message', (command: KeyVaultCommand) => process.send!({ result: obey(command) ?? null }));
process.on('disconnect', () => process.exit(0));
process.send!({ port: (vault.address() as AddressInfo).port, identityPort: (identityEndpoint.address() as AddressInfo).port });
