import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MemberRole } from '@holdfast/daemon';
import { openTestContext, type TestContext } from '@holdfast/daemon/conformance';
import type { HoldfastError } from '@holdfast/errors';
import { EnrolmentService, fromConnect, type TlsCredentials, TokenService } from '@holdfast/protocol';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { roleMessage } from '../role-message.ts';
import { type Settings, settings } from '../settings.ts';
import { startServer } from '../start-server.ts';
import { createTestClient, type TestClient } from './test-client.ts';

export interface TestServer extends TestClient {
  readonly port: number;
  readonly fingerprint: string;
  readonly directory: string;
  readonly administrator: string;
  readonly lines: TestContext<Settings>['lines'];
  /** Stops the server; it can be started again over the same state. */
  stop(): Promise<number>;
}

/** A member as it is after its enrolment. */
export interface TestMember {
  readonly id: string;
  readonly incarnation: bigint;
  readonly credentials: Pick<TlsCredentials, 'key' | 'certificateChain'>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;

/** A new key and a request for it. */
export const newRequest = async (name = 'CN=whatever'): Promise<{ readonly key: string; readonly der: Uint8Array<ArrayBuffer> }> => {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: ALGORITHM });
  const key = createPrivateKey({
    key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
    format: 'der',
    type: 'pkcs8',
  });
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), der: new Uint8Array(request.rawData) };
};

const running = new Set<() => Promise<unknown>>();
const directories = new Set<string>();

/** Stops what a spec left running and removes its files: for `afterEach` or `afterAll`. */
export const endTestServers = async (): Promise<void> => {
  for (const stop of [...running]) await stop();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
  directories.clear();
};

/** The code of the error a call fails with; "no error" when it does not. */
export const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'no error',
    (reason: unknown) => errorOf(reason).code,
  );

/** The named error that a call failed with. */
export const errorOf = (reason: unknown): HoldfastError => fromConnect(reason, 'test server');

/** A whole configuration server in this process, on a free port. */
export const startTestServer = async (given: Readonly<Record<string, string>> = {}, directory?: string): Promise<TestServer> => {
  const place = directory ?? (await mkdtemp(path.join(tmpdir(), 'holdfast-configuration-')));
  directories.add(place);
  const test = await openTestContext({
    settings,
    stateDirectory: place,
    given: { 'listen.address': '127.0.0.1:0', 'listen.names': '127.0.0.1,localhost', 'people.password-cost': '14', ...given },
  });
  const { port, fingerprint } = await startServer(test.context);
  const administrator = (await readFile(path.join(place, 'administrator.token'), 'utf8')).trim();

  const { client, api } = createTestClient(port, administrator);

  const stop = async (): Promise<number> => {
    running.delete(stop);
    return test.stop();
  };
  running.add(stop);
  return {
    port,
    fingerprint,
    directory: place,
    administrator,
    lines: test.lines,
    client,
    api,
    stop,
  };
};

/** The hardware of a machine that differs from all others. */
export const hardwareOf = (name: string) => ({ productUuid: `uuid-${name}`, productSerial: '', macAddresses: [], machineId: '' });

/** A member enrolled by a token, one of its own unless given. */
export const enrolMember = async (
  server: TestClient,
  role: MemberRole,
  name: string,
  {
    endpoints = [],
    hardware = hardwareOf(name),
    token,
  }: { readonly endpoints?: string[]; readonly hardware?: ReturnType<typeof hardwareOf>; readonly token?: string } = {},
): Promise<TestMember> => {
  const secret = token ?? (await server.api(TokenService).createToken({ role: roleMessage(role) })).secret;
  const { key, der } = await newRequest();
  const answer = await server.client(EnrolmentService).enrol({
    token: secret,
    role: roleMessage(role),
    certificateRequest: der,
    hardware,
    hostname: name,
    version: '0.1.0',
    endpoints,
  });
  const [leaf] = answer.certificateChain;
  return { id: answer.id, incarnation: answer.incarnation, credentials: { key, certificateChain: pem('CERTIFICATE', leaf!) } };
};
