import { Agent, request as httpsRequest } from 'node:https';
import type { DescMessage, DescService } from '@bufbuild/protobuf';
import * as protocol from '@holdfast/protocol';
import fc from 'fast-check';
import { endTestServers, enrolMember, startTestServer, type TestServer } from '../conformance/test-server.ts';

const ELSEWHERE = new Set(['ReplicationService', 'ControlService']);
const methods = (Object.values(protocol) as readonly unknown[])
  .filter((one): one is DescService => typeof one === 'object' && (one as { readonly kind?: unknown }).kind === 'service')
  .filter(({ name }) => !ELSEWHERE.has(name))
  .flatMap((service) => service.methods);
const unary = methods.filter(({ methodKind }) => methodKind === 'unary');
const streams = methods.filter(({ methodKind }) => methodKind === 'server_streaming');
const named = (some: typeof methods) => some.map((method) => [`${method.parent.name}.${method.name}`, method] as const);
/** Lists in pages, and a page size that none of them gives. */
const lists = methods.filter(({ input }) => input.fields.some(({ name }) => name === 'page_token'));
const TOO_MANY = 501;
/** Whoever is no member is refused before anything is read. */
const OF_MEMBERS = 'Renew';

const words = fc.oneof(fc.string(), fc.constantFrom('default', 'web1', '', '0'.repeat(32), '../x', 'x'.repeat(300), '\u0000', '__proto__'));
const numbers = fc.oneof(fc.nat(), fc.integer(), fc.constantFrom(0, 1, 501, 2 ** 31, 2 ** 32 - 1));

/** JSON that has the fields of a message, with values of the right kind, the wrong kind, or none. */
const jsonOf = (message: DescMessage, depth = 0): fc.Arbitrary<unknown> =>
  fc.record(
    Object.fromEntries(
      message.fields.map((field) => {
        const one: fc.Arbitrary<unknown> =
          field.fieldKind === 'message' && depth < 3 ? jsonOf(field.message, depth + 1) : fc.oneof(words, numbers, numbers.map(String));
        const value = field.fieldKind === 'list' ? fc.array(words, { maxLength: 4 }) : one;
        return [field.jsonName, fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue() })];
      }),
    ),
    { requiredKeys: [] },
  );

describe('the API, asked anything', () => {
  let server: TestServer;
  const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
  beforeAll(async () => {
    server = await startTestServer({ 'tokens.wrong-attempts': '10000', 'calls.per-person': '100000', 'calls.per-address': '100000' });
    await enrolMember(server, 'agent', 'web1');
  });
  afterAll(async () => {
    agent.destroy();
    await endTestServers();
  });

  const post = (path: string, type: string, body: string | Uint8Array, more: Record<string, string> = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': type, 'connect-protocol-version': '1', authorization: `Bearer ${server.administrator}`, ...more };
      const request = httpsRequest({ agent, host: '127.0.0.1', port: server.port, method: 'POST', path, headers }, async (answer) => {
        const text = Buffer.concat(await answer.toArray()).toString('latin1');
        // Streams tell in their last message how they ended.
        resolve(answer.statusCode === 200 && !text.includes('"error"') ? 'ok' : text);
      });
      request.once('error', reject);
      request.end(body);
    });

  it.each(named(unary))('%s answers by name', async (_, method) => {
    const path = `/${method.parent.typeName}/${method.name}`;
    const outcomes = new Set<boolean>();
    const ask = async (type: string, body: string | Uint8Array): Promise<void> => {
      const answer = await post(path, type, body);
      // What the library itself answers to bytes that are no message.
      if (!answer.includes('parse binary:')) expect(answer).not.toMatch(/INTERNAL|"internal"|"unknown"|stack/);
      outcomes.add(answer === 'ok');
    };
    await fc.assert(
      fc.asyncProperty(jsonOf(method.input), (json) => ask('application/json', JSON.stringify(json))),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => ask('application/proto', bytes)),
      { numRuns: 25 },
    );
    expect(outcomes).toContain(false);
  });

  /** One message as Connect streams it: a flag, its length, and JSON. */
  const enveloped = (body: string, flag = 0): Buffer => {
    const bytes = Buffer.from(body);
    const head = Buffer.alloc(5);
    head.writeUInt8(flag, 0);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };

  it.each(named(streams))('%s, a stream, answers by name and ends when it has to', async (_, method) => {
    const path = `/${method.parent.typeName}/${method.name}`;
    const ask = async (body: Uint8Array): Promise<void> => {
      const answer = await post(path, 'application/connect+json', body, { 'connect-timeout-ms': '100' });
      expect(answer).not.toMatch(/INTERNAL|"internal"|stack/);
    };
    await fc.assert(
      fc.asyncProperty(jsonOf(method.input), (json) => ask(enveloped(JSON.stringify(json)))),
      { numRuns: 15 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, whole) =>
        ask(whole ? enveloped(Buffer.from(bytes).toString('latin1')) : bytes),
      ),
      { numRuns: 15 },
    );
  });

  it.each(named(lists))('%s gives no page that cannot be, and takes no place that it did not give', async (_, method) => {
    const path = `/${method.parent.typeName}/${method.name}`;
    const ask = (request: object): Promise<string> => post(path, 'application/json', JSON.stringify(request));
    for (const request of [{ pageSize: TOO_MANY }, { pageSize: -1 }, { pageSize: 1.5 }, { pageSize: '1e9' }])
      expect(await ask(request)).not.toBe('ok');
    for (const pageToken of ['x', '../..', Buffer.from('machine/').toString('base64url'), 'A'.repeat(10_000)])
      expect(await ask({ pageToken })).toContain('REQUEST_INVALID');
  });

  it.each(named(methods.filter(({ name }) => name !== OF_MEMBERS)))(
    '%s takes no field that it does not know',
    async (_, { parent, name, methodKind }) => {
      const path = `/${parent.typeName}/${name}`;
      const isStream = methodKind !== 'unary';
      const ask = (body: string): Promise<string> =>
        isStream ? post(path, 'application/connect+json', enveloped(body)) : post(path, 'application/json', body);
      expect(await ask('{"nonsense":1}')).toMatch(/invalid_argument|nonsense/);
    },
  );

  it('and goes on working', async () => {
    expect(server.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(await post('/holdfast.v1.PolicyService/ListPolicies', 'application/json', '{}')).toBe('ok');
  });
});
