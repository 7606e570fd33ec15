import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import path from 'node:path';
import { type DescMessage, fromBinary, toJson } from '@bufbuild/protobuf';
import {
  ConnectAgentRequestSchema,
  ConnectAgentResponseSchema,
  ConnectServerRequestSchema,
  ConnectServerResponseSchema,
  EnrolRequestSchema,
  EnrolResponseSchema,
  RenewRequestSchema,
  RenewResponseSchema,
} from '@holdfast/protocol';
import { endTestServers, pem, startTestServer, type TestServer } from './conformance/test-server.ts';
import { hashOf, secretId } from './enrolment/tokens.ts';
import { type TokenRecord, tokens } from './records/kinds.ts';
import { openLevelStore } from './state/level-store.ts';

interface RecordedCall {
  readonly name: string;
  readonly as: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly messages?: readonly unknown[];
  readonly key?: string;
  readonly expect?: unknown;
  readonly error?: string;
}

interface Recording {
  readonly tokens?: Readonly<Record<TokenRecord['role'], string>>;
  readonly calls: readonly RecordedCall[];
}

const recording = (name: string): Recording =>
  JSON.parse(readFileSync(path.join(__dirname, `../fixtures/v1/${name}.json`), 'utf8')) as Recording;

const FORMS: Readonly<Record<string, RegExp>> = {
  '<id>': /^[0-9a-f]{32}$/,
  '<number>': /^\d+$/,
  '<text>': /^.+$/s,
  '<bytes>': /^[A-Za-z0-9+/]+=*$/,
  '<fingerprint>': /^[0-9a-f]{64}$/,
};

/** Places that stand for anything of a form become matchers. */
const matcher = (expected: unknown): unknown => {
  if (typeof expected === 'string') return FORMS[expected] === undefined ? expected : expect.stringMatching(FORMS[expected]);
  if (Array.isArray(expected)) return expected.map(matcher);
  if (typeof expected !== 'object' || expected === null) return expected;
  return Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, matcher(value)]));
};

/** The messages in a gRPC body: each behind a flag and its length. */
const unpack = (body: Buffer): Buffer[] => {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const length = body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return messages;
};

const SCHEMAS: Readonly<Record<string, readonly [DescMessage, DescMessage]>> = {
  '/holdfast.v1.EnrolmentService/Enrol': [EnrolRequestSchema, EnrolResponseSchema],
  '/holdfast.v1.EnrolmentService/Renew': [RenewRequestSchema, RenewResponseSchema],
  '/holdfast.v1.ControlService/ConnectAgent': [ConnectAgentRequestSchema, ConnectAgentResponseSchema],
  '/holdfast.v1.ControlService/ConnectServer': [ConnectServerRequestSchema, ConnectServerResponseSchema],
};

interface Certified {
  readonly key: string;
  readonly cert: string;
}

/** Sends recorded bytes; of streams the request stays open until the first answer came. */
const replayGrpc = async (server: TestServer, call: RecordedCall, certified: Certified | undefined) => {
  const session = connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false, ...certified });
  const stream = session.request({ ':method': 'POST', ':path': call.path, ...call.headers });
  let status: string | undefined;
  stream.on('response', (headers) => {
    status ??= headers['grpc-status'] as string | undefined;
  });
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status'] as string;
  });
  stream.write(Buffer.from(call.body as string, 'base64'));
  if (!call.path.includes('/Connect')) stream.end();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    stream.end();
  }
  session.close();
  return { status, answers: unpack(Buffer.concat(chunks)) };
};

const replayJson = (server: TestServer, { path: target, headers, body }: RecordedCall): Promise<{ status: number; answer: unknown }> =>
  new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: server.port,
        method: 'POST',
        path: target,
        rejectUnauthorized: false,
        headers: { ...headers, 'accept-encoding': 'identity', authorization: `Bearer ${server.administrator}` },
      },
      async (answer) => {
        const text = Buffer.concat(await answer.toArray()).toString();
        resolve({ status: answer.statusCode!, answer: JSON.parse(text) });
      },
    );
    request.once('error', reject);
    request.end(JSON.stringify(body));
  });

describe('clients of version 1', () => {
  let server: TestServer;
  const members = new Map<string, Certified>();
  const enrolling = recording('enrol');

  beforeAll(async () => {
    const first = await startTestServer();
    await first.stop();
    const store = await openLevelStore(path.join(first.directory, 'state'), { events: 1000, audit: 1000, changes: 1000 });
    for (const [role, secret] of Object.entries(enrolling.tokens!) as [TokenRecord['role'], string][]) {
      const record: TokenRecord = { hash: hashOf(secret), role, created: Date.now(), expires: Date.now() + 600_000, note: '' };
      await store.commit({ put: { [tokens.key(secretId(secret))]: tokens.document(record) } });
    }
    await store.close();
    server = await startTestServer({}, first.directory);
  });
  afterAll(endTestServers);

  const grpcCalls = [enrolling, recording('renew'), recording('control')].flatMap(({ calls }) => calls);

  it.each(grpcCalls.map((call) => [`${call.path.split('/').at(-1)} of ${call.name}`, call] as const))(
    '%s is understood',
    async (_, call) => {
      const [requestSchema, responseSchema] = SCHEMAS[call.path]!;
      const sent = unpack(Buffer.from(call.body as string, 'base64')).map((message) =>
        toJson(requestSchema, fromBinary(requestSchema, message)),
      );
      expect(sent).toEqual(call.messages);
      const { status, answers } = await replayGrpc(server, call, members.get(call.as));
      expect(status).toBe('0');
      const [answer] = answers.map((message) => toJson(responseSchema, fromBinary(responseSchema, message)));
      expect(answer).toMatchObject(matcher(call.expect) as object);
      const [leaf] = (answer as { certificateChain?: string[] }).certificateChain ?? [];
      if (call.key !== undefined) members.set(call.name, { key: call.key, cert: pem('CERTIFICATE', Buffer.from(leaf!, 'base64')) });
    },
  );

  it.each(recording('api').calls.map((call) => [call.name, call] as const))('%s is understood', async (_, call) => {
    const { status, answer } = await replayJson(server, call);
    if (call.error === undefined) {
      expect(status).toBe(200);
      expect(answer).toMatchObject(matcher(call.expect) as object);
    } else {
      expect(status).not.toBe(200);
      expect((answer as { message: string }).message).toContain(`[${call.error}]`);
    }
  });
});
