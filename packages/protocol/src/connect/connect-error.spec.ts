import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type Client, Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import { EnrolmentService } from '../gen/holdfast/v1/enrolment_pb.ts';
import { connectError, fromConnect } from './connect-error.ts';

const details = { thing: 'machine a', why: 'b', remedy: 'c' };

const named: Interceptor = (next) => (request) =>
  next(request).catch((reason: unknown) => {
    throw connectError(reason);
  });

describe('errors of Connect calls', () => {
  let server: Http2Server;
  let failure: unknown;
  let base: string;
  beforeAll(async () => {
    server = createServer(
      connectNodeAdapter({
        interceptors: [named],
        routes: (router) =>
          void router.service(EnrolmentService, {
            enrol: () => {
              throw failure;
            },
          }),
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const failureSeen = async (client: Client<typeof EnrolmentService>): Promise<HoldfastError> => {
    const seen = await client.enrol({}).catch((reason: unknown) => fromConnect(reason, 'server x'));
    if (!(seen instanceof HoldfastError)) throw new Error('the call went well');
    return seen;
  };

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s arrives whole by both protocols, without its cause', async (code) => {
    failure = new HoldfastError(code, { ...details, cause: new Error('hidden') });
    const transports = [
      createGrpcTransport({ baseUrl: base }),
      createConnectTransport({ baseUrl: base, httpVersion: '2', useBinaryFormat: false }),
    ];
    for (const transport of transports) {
      const seen = await failureSeen(createClient(EnrolmentService, transport));
      expect(seen).toMatchObject({ code, ...details });
      expect(JSON.stringify(seen)).not.toContain('hidden');
    }
  });

  it('names a server that does not listen', async () => {
    const nowhere = createGrpcTransport({ baseUrl: 'http://127.0.0.1:1' });
    expect(await failureSeen(createClient(EnrolmentService, nowhere))).toMatchObject({
      code: 'CONNECTION_LOST',
      thing: 'server x',
      why: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('says what a status means that came without an error of ours', () => {
    expect(fromConnect(new ConnectError('who?', Code.Unauthenticated), 'x')).toMatchObject({ code: 'CERTIFICATE_UNTRUSTED', why: 'who?' });
    expect(fromConnect(new ConnectError('no', Code.Unimplemented), 'x').code).toBe('UNSUPPORTED_OPERATION');
    const broken = new ConnectError('late', Code.DeadlineExceeded, { 'holdfast-error-bin': '*' });
    expect(fromConnect(broken, 'x')).toMatchObject({ code: 'TIMED_OUT', why: 'late' });
  });

  it('finds the cause within: certificates, and errors of ours', () => {
    const expired = Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' });
    expect(fromConnect(new ConnectError('x', Code.Internal, undefined, undefined, expired), 'x').code).toBe('CERTIFICATE_EXPIRED');
    const foreign = new HoldfastError('IDENTITY_MISMATCH', details);
    expect(fromConnect(new ConnectError('x', Code.Internal, undefined, undefined, foreign), 'x')).toBe(foreign);
    const endless = new Error('round');
    endless.cause = endless;
    expect(fromConnect(endless, 'x').code).toBe('CONNECTION_LOST');
    expect(fromConnect('words', 'x')).toMatchObject({ code: 'CONNECTION_LOST', why: 'words' });
  });

  it('lets errors of Connect pass, and calls what nobody expected a defect', () => {
    const own = new ConnectError('x', Code.NotFound);
    expect(connectError(own)).toBe(own);
    expect(connectError(new TypeError('x')).code).toBe(Code.Internal);
  });
});
