import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import type { ErrorCode, HoldfastError } from '@holdfast/errors';
import type { ObjectInfo, ObjectStore } from '../object-store.ts';
import { openStore } from '../open-store.ts';
import { createFakeClock } from '../retry/testing/fake-clock.ts';
import { withRetry } from '../retry/with-retry.ts';
import { withThrottle } from '../retry/with-throttle.ts';
import { withMetrics } from '../with-metrics.ts';
import { type AzureStoreOptions, createAzureStore } from './azure-store.ts';
import { type ScriptedService, type SeenRequest, sayError, startScriptedService } from './testing/scripted-service.ts';

const key = Buffer.alloc(64, 9).toString('base64');
const content = Buffer.from('content');
const until = async (condition: () => boolean): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`in vain: ${condition}`);
    await new Promise(setImmediate);
  }
};

describe('an Azure store', () => {
  let service: ScriptedService;
  const stores: ObjectStore[] = [];
  beforeEach(async () => {
    service = await startScriptedService();
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await service.close();
  });
  const open = (options: Partial<AzureStoreOptions> = {}): ObjectStore => {
    const store = createAzureStore({ url: service.url, credential: { kind: 'key', key }, ...options });
    stores.push(store);
    return store;
  };
  const failure = (answer: Promise<unknown>): Promise<HoldfastError> =>
    answer.then(
      () => Promise.reject(new Error('it did not fail')),
      (reason: HoldfastError) => reason,
    );

  it('moves objects between tiers, also through what is put around it, and tells where they are', async () => {
    service.answer(({ method }, response) => {
      if (method === 'PUT') return response.writeHead(200).end();
      const since = { 'x-ms-access-tier-change-time': 'Sun, 01 Nov 2026 00:00:00 GMT', 'last-modified': 'Thu, 01 Oct 2026 00:00:00 GMT' };
      return response.writeHead(200, { 'x-ms-access-tier': 'Cool', 'content-length': '7', ...since }).end();
    });
    const store = withMetrics(withThrottle(withRetry(open()), { bytesPerSecond: 1e9 })).store;
    await store.setTier!('m/1', 'cold');
    expect(await store.stat('m/1')).toMatchObject({ size: 7, tier: 'cool', tierSince: Date.UTC(2026, 10, 1) });
    const [{ method, path, headers }] = service.seen as [(typeof service.seen)[0]];
    expect({ method, path, tier: headers['x-ms-access-tier'] }).toEqual({ method: 'PUT', path: '/acme/vault/m/1?comp=tier', tier: 'Cold' });
  });

  it('locks objects so that nobody takes it back, also through what is put around it, and tells until when where it is asked', async () => {
    const expires = 'Tue, 01 Dec 2026 00:00:00 GMT';
    service.answer(({ method, path }, response) => {
      if (method === 'PUT') return response.writeHead(200).end();
      if (method === 'HEAD')
        return response
          .writeHead(200, {
            'content-length': '7',
            'x-ms-immutability-policy-until-date': expires,
            'x-ms-immutability-policy-mode': path.endsWith('/1') ? 'locked' : 'unlocked',
          })
          .end();
      const blobs = ['locked', 'unlocked'].map((mode, at) => {
        const told = `<ImmutabilityPolicyUntilDate>${expires}</ImmutabilityPolicyUntilDate><ImmutabilityPolicyMode>${mode}</ImmutabilityPolicyMode>`;
        const properties = `<Content-Length>7</Content-Length>${path.includes('include=immutabilitypolicy') ? told : ''}`;
        return `<Blob><Name>m/${at + 1}</Name><Properties>${properties}</Properties></Blob>`;
      });
      response.writeHead(200, { 'content-type': 'application/xml', date: 'Mon, 23 Nov 2026 01:02:03 GMT' });
      return response.end(
        `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>${blobs.join('')}</Blobs><NextMarker/></EnumerationResults>`,
      );
    });
    const store = withMetrics(withThrottle(withRetry(open()), { bytesPerSecond: 1e9 })).store;
    const until = Date.UTC(2026, 11, 1);
    await store.lockUntil!('m/1', until);
    expect(await store.stat('m/1')).toMatchObject({ size: 7, lockedUntil: until });
    // A policy that is not locked, as the default one of a container may be, is no lock: whoever set it takes it back.
    expect((await store.stat('m/2')).lockedUntil).toBeUndefined();
    const listed = [];
    for (const options of [{ locks: true }, {}]) for await (const info of store.list('m/', options)) listed.push(info.lockedUntil);
    expect(listed).toEqual([until, undefined, undefined, undefined]);
    expect(await store.time!()).toBe(Date.UTC(2026, 10, 23, 1, 2, 3));
    expect(service.seen.at(-1)!.path).toContain('maxresults=1');
    const [{ method, path, headers }] = service.seen as [(typeof service.seen)[0]];
    expect({ method, path }).toEqual({ method: 'PUT', path: '/acme/vault/m/1?comp=immutabilityPolicies' });
    expect(headers).toMatchObject({ 'x-ms-immutability-policy-until-date': expires, 'x-ms-immutability-policy-mode': 'Locked' });
  });

  it('leaves a lock as it is that somebody set for longer meanwhile', async () => {
    const store = open();
    const until = Date.UTC(2026, 11, 1) + 345;
    for (const [expires, outcome] of [
      ['Tue, 01 Dec 2026 00:00:00 GMT', 'locked'],
      ['Mon, 30 Nov 2026 23:59:59 GMT', 'UNSUPPORTED_OPERATION'],
    ] as const)
      for (const code of ['BlobImmutableDueToPolicy', 'SomethingNew']) {
        service.answer((request, response) => {
          if (request.method !== 'HEAD') return sayError(409, code, 'It cannot be made shorter.')(request, response);
          const lock = { 'x-ms-immutability-policy-until-date': expires, 'x-ms-immutability-policy-mode': 'locked' };
          return response.writeHead(200, { 'content-length': '7', ...lock }).end();
        });
        const answer = store.lockUntil!('m/1', until).then(
          () => 'locked',
          ({ code }: HoldfastError) => code,
        );
        expect(await answer).toBe(outcome);
      }
  });

  it('says that a container is not set up for locks, and asks again when the service is only busy', async () => {
    const store = open();
    for (const [status, code, expected] of [
      [409, 'FeatureNotEnabledForContainer', 'UNSUPPORTED_OPERATION'],
      [501, '', 'UNSUPPORTED_OPERATION'],
      [503, 'ServerBusy', 'STORE_UNAVAILABLE'],
      [403, 'AuthorizationPermissionMismatch', 'NO_PERMISSION'],
      [404, 'BlobNotFound', 'OBJECT_NOT_FOUND'],
    ] as const) {
      service.answer(sayError(status, code, 'not now'));
      expect((await failure(store.lockUntil!('m/1', Date.UTC(2026, 11, 1)))).code).toBe(expected);
    }
  });

  it('creates by one conditional Put Blob with the digest of the content', async () => {
    service.answer((_, response) => response.writeHead(201).end());
    const large = Buffer.alloc(9_000_000, 'x');
    await open().create('m/1', large);
    expect(service.seen).toHaveLength(1);
    const [{ method, path, headers, body }] = service.seen as [(typeof service.seen)[0]];
    expect({ method, path }).toEqual({ method: 'PUT', path: '/acme/vault/m/1' });
    expect(headers).toMatchObject({
      'if-none-match': '*',
      'x-ms-blob-type': 'BlockBlob',
      'content-length': '9000000',
      'content-md5': createHash('md5').update(large).digest('base64'),
    });
    expect(body.equals(large)).toBe(true);
  });

  it.each<[number, string, ErrorCode]>([
    [403, 'AccountIsDisabled', 'NO_PERMISSION'],
    [403, 'AuthenticationFailed', 'NO_PERMISSION'],
    [403, 'AuthorizationFailure', 'NO_PERMISSION'],
    [403, 'AuthorizationPermissionMismatch', 'NO_PERMISSION'],
    [403, 'InsufficientAccountPermissions', 'NO_PERMISSION'],
    [403, 'UnauthorizedBlobOverwrite', 'OBJECT_EXISTS'],
    [404, 'BlobNotFound', 'OBJECT_NOT_FOUND'],
    [404, 'ContainerNotFound', 'STORE_NOT_FOUND'],
    [404, 'ResourceNotFound', 'STORE_NOT_FOUND'],
    [409, 'BlobAlreadyExists', 'OBJECT_EXISTS'],
    [409, 'BlobArchived', 'OBJECT_LOCKED'],
    [409, 'BlobImmutableDueToPolicy', 'OBJECT_LOCKED'],
    [409, 'ContainerBeingDeleted', 'STORE_NOT_FOUND'],
    [412, 'ConditionNotMet', 'OBJECT_EXISTS'],
    [412, 'LeaseIdMissing', 'OBJECT_LOCKED'],
    [500, 'InternalError', 'STORE_UNAVAILABLE'],
    [500, 'OperationTimedOut', 'STORE_UNAVAILABLE'],
    [503, 'ServerBusy', 'STORE_UNAVAILABLE'],
    [400, 'Md5Mismatch', 'STORE_UNAVAILABLE'],
    [418, 'SomethingNew', 'STORE_UNAVAILABLE'],
    [418, 'constructor', 'STORE_UNAVAILABLE'],
    // The status alone says nothing: these come from something between.
    [403, '', 'STORE_UNAVAILABLE'],
    [404, '', 'STORE_UNAVAILABLE'],
    [409, '', 'STORE_UNAVAILABLE'],
  ])('understands %i %s as %s, in every request, and asks once', async (status, code, expected) => {
    service.answer((request, response) => {
      // After a refused create it looks whether the name is taken.
      if (request.method === 'HEAD' && service.seen.some(({ method }) => method === 'PUT'))
        sayError(404, 'BlobNotFound', 'Gone')(request, response);
      else sayError(status, code, 'The words of the service.')(request, response);
    });
    const store = open();
    expect((await failure(store.stat('a'))).code).toBe(expected);
    for (const ask of [() => store.read('a'), () => store.list('a')[Symbol.asyncIterator]().next()]) {
      const error = await failure(ask());
      expect(error.code).toBe(expected);
      if (expected === 'OBJECT_EXISTS' || expected === 'OBJECT_NOT_FOUND') continue;
      expect(error.why).toContain(code);
      expect(error.why).toContain('The words of the service. (request request-1)');
    }
    if (code === 'BlobNotFound') await store.delete('a');
    else expect((await failure(store.delete('a'))).code).toBe(expected);
    expect(service.seen).toHaveLength(4);
    expect((await failure(store.create('a', content))).code).toBe(expected);
  });

  it.each(['AuthorizationPermissionMismatch', 'BlobImmutableDueToPolicy', 'LeaseIdMissing'])(
    'finds out whether the name is taken when a create is refused with %s',
    async (code) => {
      service.answer((request, response) => {
        if (request.method === 'PUT') sayError(403, code, 'No.')(request, response);
        else response.writeHead(200, { 'content-length': '1', etag: '"1"' }).end();
      });
      expect((await failure(open().create('a', content))).code).toBe('OBJECT_EXISTS');
    },
  );

  it('shows what the service says of a credential in detail', async () => {
    const body = `<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.\nRequestId:1</Message>
      <AuthenticationErrorDetail>Signature not valid in the specified time frame: Expiry [yesterday]</AuthenticationErrorDetail></Error>`;
    service.answer((_, response) =>
      response.writeHead(403, { 'content-type': 'application/xml', 'x-ms-error-code': 'AuthenticationFailed' }).end(body),
    );
    expect((await failure(open().read('a'))).why).toBe(
      'the service answered AuthenticationFailed: Server failed to authenticate the request. ' +
        'Signature not valid in the specified time frame: Expiry [yesterday] (request without an id)',
    );
  });

  it('takes the last change for the creation of a blob that is too old to know it', async () => {
    service.answer((_, response) =>
      response.writeHead(200, { 'content-length': '5', 'last-modified': 'Sun, 22 Nov 2026 01:02:03 GMT', etag: '"1"' }).end(),
    );
    expect(await open().stat('a')).toEqual({ name: 'a', size: 5, created: Date.UTC(2026, 10, 22, 1, 2, 3) });
  });

  it('lists page after page, from the name on that it is told', async () => {
    const blob = (name: string): string =>
      `<Blob><Name>${name}</Name><Properties><Creation-Time>Sun, 22 Nov 2026 01:02:03 GMT</Creation-Time><Content-Length>7</Content-Length></Properties></Blob>`;
    service.answer(({ path }, response) => {
      const marker = new URLSearchParams(path.split('?')[1]).get('marker');
      const page = marker === null ? ['in/a/1', 'in/a/2'] : marker === '2' ? [] : ['in/a/3'];
      const next = { '': '2', '2': '3', '3': '' }[marker ?? ''];
      response.writeHead(200, { 'content-type': 'application/xml' });
      response.end(
        `<?xml version="1.0"?><EnumerationResults><Blobs>${page.map(blob).join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
      );
    });
    const store = open({ url: `${service.url}/in` });
    const found: ObjectInfo[] = [];
    for await (const info of store.list('a/', { after: 'a/1' })) found.push(info);
    const created = Date.UTC(2026, 10, 22, 1, 2, 3);
    expect(found).toEqual([
      { name: 'a/2', size: 7, created },
      { name: 'a/3', size: 7, created },
    ]);
    const asked = service.seen.map(({ path }) => new URLSearchParams(path.split('?')[1]));
    expect(asked.map((query) => [query.get('prefix'), query.get('startFrom'), query.get('marker')])).toEqual([
      ['in/a/', 'in/a/1', null],
      ['in/a/', 'in/a/1', '2'],
      ['in/a/', 'in/a/1', '3'],
    ]);
  });

  it.each([
    ['a/', 'b', 0],
    ['b/', 'a', 1],
    ['', 'a', 1],
  ])('lists %j after %j with %i requests', async (prefix, after, requests) => {
    service.answer((_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end('<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>'),
    );
    for await (const _ of open().list(prefix, { after })) throw new Error('nothing is there');
    expect(service.seen).toHaveLength(requests);
  });

  it('hands on when the service wants to be asked again', async () => {
    service.answer((request, response) => {
      if (service.seen.length === 1) sayError(503, 'ServerBusy', 'Busy.', { 'retry-after': '17' })(request, response);
      else response.writeHead(201).end();
    });
    const clock = createFakeClock();
    const creating = withRetry(open(), { clock, random: () => 0 }).create('a', content);
    await until(() => clock.sleeps.length > 0);
    await clock.run();
    await creating;
    expect(clock.sleeps).toEqual([17_000]);
    expect(service.seen).toHaveLength(2);
  });

  it('ends an attempt that is not answered, or whose answer stops in the middle', async () => {
    service.answer(({ method }, response) => {
      if (method === 'GET') response.writeHead(200, { 'content-length': '1000', etag: '"1"' }).write('x');
    });
    const store = open({ stallSeconds: 0.1 });
    for (const ask of [() => store.create('a', content), () => store.read('a'), () => store.stat('a'), () => store.delete('a')])
      expect(await failure(ask())).toMatchObject({ code: 'STORE_UNAVAILABLE', why: expect.stringContaining('nothing moved for 0.1 s') });
  });

  it('does not go on by itself with an answer that broke off', async () => {
    service.answer((_, response) => {
      response.writeHead(200, { 'content-length': '1000', etag: '"1"' }).write('x', () => response.destroy());
    });
    expect(await failure(open().read('a'))).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(service.seen).toHaveLength(1);
  });

  it.each([
    ['another range', { 'content-length': '3', 'content-range': 'bytes 0-2/10' }],
    ['the whole object', { 'content-length': '3' }],
    ['more', { 'content-length': '5', 'content-range': 'bytes 4-8/10' }],
    ['too much to keep', { 'content-length': '99999999999', 'content-range': 'bytes 4-100000000002/100000000003' }],
  ])('refuses %s in place of the range it asked for', async (_, headers) => {
    service.answer((_request, response) =>
      response.writeHead(206, { etag: '"1"', ...headers }).end('abcde'.slice(0, Number(headers['content-length']))),
    );
    expect((await failure(open().read('a', { offset: 4, length: 3 }))).code).toBe('PROTOCOL_VIOLATION');
  });

  it('ends what is under way when it is closed', async () => {
    service.answer(() => {});
    const store = open();
    const answers = [store.create('a', content), store.read('a')].map(failure);
    await until(() => service.seen.length === 2);
    await store.close();
    for (const answer of answers) expect((await answer).code).toBe('INTERRUPTED');
    expect((await failure(store.stat('a'))).code).toBe('INTERRUPTED');
  });

  it('sends no more than 64 requests at once', async () => {
    const waiting: (() => void)[] = [];
    service.answer((_, response) => waiting.push(() => response.writeHead(201).end()));
    const store = open();
    const creating = Promise.all(Array.from({ length: 100 }, (_, index) => store.create(`a/${index}`, content)));
    await until(() => service.seen.length === 64);
    // Whatever else would come, comes before this round trip is over.
    await failure(open({ stallSeconds: 0.2 }).stat('b'));
    expect(service.seen).toHaveLength(65);
    service.answer((_, response) => response.writeHead(201).end());
    for (const answer of waiting) answer();
    await creating;
  });

  it('is opened by its URL with what the environment holds, and asks again', async () => {
    service.answer((request, response) => {
      if (service.seen.length === 1) sayError(503, 'ServerBusy', 'Busy.')(request, response);
      else response.writeHead(201).end();
    });
    const store = await openStore(service.url, { environment: { AZURE_STORAGE_SAS_TOKEN: 'sv=1&sig=x' } });
    stores.push(store);
    await store.create('a', content);
    expect(service.seen.map(({ path }) => path)).toEqual(Array(2).fill('/acme/vault/a?sv=1&sig=x'));
    const told = await openStore(service.url, { azure: { credential: { kind: 'sas', sas: 'sv=1&sig=told' } } });
    stores.push(told);
    await told.create('b', content);
    expect(service.seen.at(-1)!.path).toBe('/acme/vault/b?sv=1&sig=told');
  });

  it('takes up a secret that changes', async () => {
    service.answer((_, response) => response.writeHead(201).end());
    let sas = 'sv=1&sig=first';
    const store = open({ credential: { kind: 'sas', sas: () => sas } });
    await store.create('a', content);
    await store.create('b', content);
    sas = 'sv=1&sig=second';
    await store.create('c', content);
    expect(service.seen.map(({ path }) => path)).toEqual([
      '/acme/vault/a?sv=1&sig=first',
      '/acme/vault/b?sv=1&sig=first',
      '/acme/vault/c?sv=1&sig=second',
    ]);
  });

  it('shows no secret in URL or error, neither as text nor as an object', async () => {
    const signature = 'Zm9v/YmFy+c2VjcmV0=';
    const sas = `sv=1&sig=${encodeURIComponent(signature)}`;
    const repeat = (request: SeenRequest, response: ServerResponse): void => {
      const said = `Signature ${signature} of ${request.path.replaceAll('&', '&amp;')} with key ${key} did not match.`;
      sayError(403, 'AuthenticationFailed', said)(request, response);
    };
    for (const credential of [{ kind: 'sas', sas } as const, { kind: 'key', key } as const]) {
      service.answer(repeat);
      const store = open({ credential });
      const errors = [await failure(store.create('a', content)), await failure(store.read('a'))];
      await service.close();
      errors.push(await failure(store.stat('a')));
      service = await startScriptedService();
      for (const error of errors) {
        const shown = [store.url, inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error), String(error.cause)].join('\n');
        const secret = credential.kind === 'sas' ? [signature, encodeURIComponent(signature)] : [key];
        for (const part of secret) expect(shown).not.toContain(part);
      }
      expect(errors[0]!.why).toContain('did not match');
    }
  });
});
