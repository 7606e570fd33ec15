import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { joinSite } from '@holdfast/daemon';
import { openTestSite, type TestSite } from '@holdfast/daemon/conformance';
import { openStore } from '@holdfast/object-store';
import { connectReplication, idBytes, type ReplicationStream } from '@holdfast/protocol';
import type { Certified } from '@holdfast/protocol/conformance';
import { createVault, openVault, readKeyFile, type Vault, writeKeyFile } from '@holdfast/vault';

type Line = Readonly<Record<string, unknown>> & { readonly message: string };

/** A process server as a process of its own, that joined a small configuration server in the process of the test. */
export interface ServerSite {
  readonly configuration: TestSite;
  readonly serverId: string;
  readonly stateDirectory: string;
  /** Lines of the log of all starts so far. */
  readonly lines: readonly Line[];
  readonly port: number;
  readonly httpPort: number;
  readonly pid: number;
  /** What the configuration server wants from now on: these machines, and that these certificates count no more. */
  assign(machineIds: readonly string[], revoked?: readonly string[]): void;
  /** Starts it and waits until it listens. */
  start(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<number | string>;
  /** Resolves with the first line of that message, written from now on or, with `past`, before. */
  line(message: string, past?: boolean): Promise<Line>;
  certificate(machineId: string): Promise<Certified>;
  connect(certified: Certified): Promise<ReplicationStream>;
  openVault(): Promise<Vault>;
  close(): Promise<void>;
}

export interface ServerSiteOptions {
  /** An empty directory. */
  readonly directory: string;
  /** Default: a folder in the directory. */
  readonly vaultUrl?: string;
  /** Further settings, by path: {'journal.quota': '64MiB'}; `undefined` leaves one out. */
  readonly settings?: Readonly<Record<string, string | undefined>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Path of main.ts, where this file is not beside it. */
  readonly main?: string;
}

const HARDWARE = { productUuid: '6f1f1a3e-0000-4000-8000-5d1a3c2b4e5f', productSerial: '', macAddresses: [], machineId: '' };
const NODE_FLAGS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];

/** The same over all starts, and none the kernel gives to clients: those could connect to themselves while nobody listens. Other specs have theirs. */
const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(20_000, 30_000);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error('no free port was found');
};

/** Makes a site; the server is not started yet. */
export const createServerSite = async ({
  directory,
  vaultUrl = `file://${path.join(directory, 'vault')}`,
  settings = {},
  environment = {},
  main = path.join(__dirname, '../main.ts'),
}: ServerSiteOptions): Promise<ServerSite> => {
  const configuration = await openTestSite();
  const listenPort = await freePort();
  const stateDirectory = path.join(directory, 'state');
  const keyFile = path.join(directory, 'vault.key');
  const hardwareFile = path.join(directory, 'hardware.json');
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  await mkdir(path.join(directory, 'vault'), { recursive: true });
  await writeFile(hardwareFile, JSON.stringify(HARDWARE));
  const { id: serverId } = await joinSite({
    server: configuration.address,
    token: configuration.createToken(),
    fingerprint: configuration.fingerprint,
    role: 'process-server',
    hardware: HARDWARE,
    hostname: 'process-server.test',
    version: '0.0.0-test',
    directory: stateDirectory,
  });
  const created = await createVault(await openStore(vaultUrl, { environment: { ...process.env, ...environment } }), {
    name: 'test',
    keys: [await writeKeyFile(keyFile)],
  });
  await created.close();

  const flags = Object.entries({
    'state.directory': stateDirectory,
    'identity.hardware-file': hardwareFile,
    'http.listen': '127.0.0.1:0',
    'replication.listen': `127.0.0.1:${listenPort}`,
    'vaults.main.url': vaultUrl,
    'vaults.main.key-file': keyFile,
    ...settings,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));

  const lines: Line[] = [];
  let wake = Promise.withResolvers<void>();
  let child: ChildProcess | undefined;
  let port = 0;
  let httpPort = 0;
  let revision = 0;
  const take = (text: string): void => {
    if (text.startsWith('{')) lines.push(JSON.parse(text) as Line);
    else lines.push({ message: text });
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };

  const line = async (message: string, from: number): Promise<Line> => {
    for (;;) {
      const found = lines.slice(from).find((one) => one.message === message);
      if (found !== undefined) return found;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the process server ended without "${message}": ${JSON.stringify(lines.slice(-20), null, 1)}`);
      await wake.promise;
    }
  };

  const kill = async (signal: NodeJS.Signals): Promise<number | string> => {
    const running = child;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return 'not running';
    const ended = once(running, 'close');
    running.kill(signal);
    await ended;
    return running.signalCode ?? running.exitCode ?? 'nothing';
  };

  return {
    configuration,
    serverId,
    stateDirectory,
    lines,
    get port() {
      return port;
    },
    get httpPort() {
      return httpPort;
    },
    get pid() {
      return child?.pid ?? 0;
    },
    assign(machineIds, revoked = []) {
      revision += 1;
      configuration.servers.setState(serverId, {
        revision: BigInt(revision),
        assignments: machineIds.map((machineId) => ({
          machineId: idBytes(machineId),
          machineName: `m-${machineId.slice(0, 4)}`,
          vault: 'main',
          seenTerm: 0n,
        })),
        revokedSerials: revoked.map((serial) =>
          Uint8Array.from(Buffer.from(serial.padStart(2 * Math.ceil(serial.length / 2), '0'), 'hex')),
        ),
      });
    },
    async start() {
      const from = lines.length;
      const { HOLDFAST_TESTS: _ours, ...inherited } = process.env;
      child = spawn(process.execPath, [...NODE_FLAGS, main, ...flags], {
        env: { ...inherited, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      createInterface({ input: child.stdout! }).on('line', take);
      createInterface({ input: child.stderr! }).on('line', take);
      child.once('close', () => {
        wake.resolve();
        wake = Promise.withResolvers<void>();
      });
      httpPort = Number((await line('Health and metrics are served', from)).port);
      port = Number((await line('Agents are served', from)).port);
    },
    kill,
    line: (message, past = false) => line(message, past ? 0 : lines.length),
    certificate: (machineId) => configuration.authority.issue({ role: 'agent', id: machineId }),
    connect: (certified) =>
      connectReplication({
        address: `127.0.0.1:${port}`,
        credentials: { current: () => certified },
        expect: { role: 'process-server', id: serverId },
      }),
    openVault: async () =>
      openVault(await openStore(vaultUrl, { environment: { ...process.env, ...environment } }), await readKeyFile(keyFile)),
    async close() {
      await kill('SIGKILL');
      await configuration.close();
    },
  };
};
