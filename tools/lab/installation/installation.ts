import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPerson, outputOf, type Person, runProcess } from '../../site/cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from '../../site/configuration-server.ts';
import { freePort } from '../../site/free-port.ts';
import { mainOf } from '../../site/from-source.ts';
import { createProgramProcess, type ProgramProcess } from '../../site/program-process.ts';
import { type ProgramFiles, writeSettings } from '../../site/settings-files.ts';
import type { RunContext } from '../context.ts';
import { createLabVault, type LabVault } from '../lab-vault.ts';
import { type LabStore, startStore } from './store.ts';

/** A whole installation on this machine: store, configuration server, process server and agent, each a process of its own. */
export interface Installation {
  readonly person: Person;
  /** Directory of the login, for `HOLDFAST_CLI_DIRECTORY`. */
  readonly contexts: string;
  readonly vault: LabVault;
  readonly store: LabStore | undefined;
  readonly server: ConfigurationServer;
  readonly configurationServer: ProgramProcess;
  readonly processServer: ProgramProcess;
  /** Has joined, but does not run yet. */
  readonly agent: ProgramProcess;
  readonly agentMetrics: URL;
  /** The agent's id: the machine's. */
  readonly machineId: string;
  /** Ends all programs in order, the store too. */
  stop(): Promise<void>;
}

export interface InstallationOptions {
  /** Disks and image files the agent looks after. */
  readonly disks: readonly string[];
}

/** Memory that no disk stands behind, for what the agent must not forget when it is killed. */
export const MEMORY_DIRECTORY = '/dev/shm';
const HOST = '127.0.0.1';
/** The vault's name in the settings of the process server, and the login's. */
export const LAB = 'lab';
/** So that the screen is never far behind. */
const REPORT_EVERY = '250ms';

interface Token {
  readonly secret: string;
  readonly authorityFingerprint: string;
}

/** What the process server is told of the vault. */
const vaultSettings = ({ url, keyFile, accountKeyFile }: LabVault): Readonly<Record<string, string>> => ({
  url,
  'key-file': keyFile,
  ...(accountKeyFile === undefined ? {} : { 'azure-account-key-file': accountKeyFile }),
});

const agentMain = (conflictCheck: boolean): string =>
  conflictCheck ? mainOf('mobility-agent') : fileURLToPath(new URL('./agent-without-check.ts', import.meta.url));

/** Settings of the agent: a machine of its own, whatever else runs on this one, that never waits long. */
const agentSettings = (
  directory: string,
  port: number,
  disks: readonly string[],
  pointEvery: number,
): Readonly<Record<string, unknown>> => {
  const hardwareFile = path.join(directory, 'hardware.json');
  writeFileSync(hardwareFile, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
  return {
    http: { listen: `${HOST}:${port}` },
    identity: { 'hardware-file': hardwareFile },
    disks: { include: disks },
    hrl: { quota: '1GiB', segment: '16MiB' },
    ...(existsSync(MEMORY_DIRECTORY) ? { trace: { 'memory-directory': MEMORY_DIRECTORY } } : {}),
    points: { interval: `${Math.round(pointEvery * 1000)}ms` },
    sender: { 'retry-first': '100ms', 'retry-longest': '2s', 'retry-refused': '2s' },
    report: { interval: REPORT_EVERY },
  };
};

/** What the agent of this machine keeps outside of its state directory. */
const noteTraces = ({ recorder }: RunContext, machineId: string): void => {
  const names = [machineId, `${machineId}-log`, `${machineId}-sender.json`].map((name) => `holdfast-${name}`);
  recorder.note({ traceInstances: [names[0]!], memory: names.map((name) => path.join(MEMORY_DIRECTORY, name)) });
};

/** Sets up an installation as docs/operations.md tells people to: a vault, a login, tokens, joining. Everything runs but the agent. */
export const install = async (context: RunContext, { disks }: InstallationOptions): Promise<Installation> => {
  const { options, recorder, screen, signal } = context;
  const directory = path.join(recorder.record.directory, 'site');
  const contexts = path.join(directory, 'contexts');
  mkdirSync(contexts, { recursive: true, mode: 0o700 });
  const onStart = (pid: number): void => recorder.noteProcess(pid);
  const person = createPerson(contexts, onStart);
  const program = (name: string, main: string, { config, logFile }: ProgramFiles): ProgramProcess =>
    createProgramProcess({ name, main, config, logFile, onStart });

  const store = options.vault === undefined && !options.keep ? await startStore(context, directory) : undefined;
  signal.throwIfAborted();
  const vault = await createLabVault(context, person, store);
  signal.throwIfAborted();
  const server = await startConfigurationServer({ directory: path.join(directory, 'configuration-server'), onStart });
  const address = `${HOST}:${server.port}`;
  const { fingerprint, administratorToken } = server;
  await person.json(['login', '--server', server.url, '--fingerprint', fingerprint, '--name', LAB], { input: administratorToken });
  signal.throwIfAborted();

  /** A one-time token, and a program that joins by it; the id it was given. */
  const join = async (role: 'agent' | 'process-server', main: string, { config }: ProgramFiles): Promise<string> => {
    const { secret, authorityFingerprint } = await person.json<Token>(['token', 'create', '--role', role]);
    const args = ['join', '--config', config, '--server', address, '--fingerprint', authorityFingerprint];
    const said = outputOf(`${role} join`, await runProcess(main, args, { input: `${secret}\n`, onStart }));
    const [, id] = / as [a-z-]+ ([0-9a-f]{32})/.exec(said) ?? [];
    if (id === undefined) throw new Error(`the program that joined did not tell its id: ${said}`);
    signal.throwIfAborted();
    return id;
  };

  const replication = `${HOST}:${await freePort()}`;
  const serverFiles = writeSettings(directory, 'process-server', {
    http: { listen: `${HOST}:0` },
    replication: { listen: replication, advertise: [replication] },
    journal: { quota: '1GiB' },
    vaults: { [LAB]: vaultSettings(vault) },
  });
  await join('process-server', mainOf('process-server'), serverFiles);
  const processServer = program('holdfast-process-server', mainOf('process-server'), serverFiles);
  await processServer.start();
  signal.throwIfAborted();

  const metricsPort = await freePort();
  const agentFiles = writeSettings(directory, 'agent', agentSettings(directory, metricsPort, disks, options.pointEvery));
  const machineId = await join('agent', mainOf('mobility-agent'), agentFiles);
  noteTraces(context, machineId);
  const agent = program('holdfast-agent', agentMain(options.conflictCheck), agentFiles);
  screen.line(`site: configuration server on ${address}, process server on ${replication}, vault in ${vault.place}`);
  screen.line(`joined by one-time tokens: the process server, and this machine as ${machineId}`);

  return {
    person,
    contexts,
    vault,
    store,
    server,
    configurationServer: server.process,
    processServer,
    agent,
    agentMetrics: new URL(`http://${HOST}:${metricsPort}/metrics`),
    machineId,
    stop: async () => {
      await agent.stop();
      await processServer.stop();
      await server.process.stop();
      await store?.stop();
    },
  };
};
