import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createPerson, outputOf, type Person, runProcess } from '../../site/cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from '../../site/configuration-server.ts';
import { freePort } from '../../site/free-port.ts';
import { mainOf } from '../../site/from-source.ts';
import { createProgramProcess, type ProgramProcess } from '../../site/program-process.ts';
import { type ProgramFiles, writeSettings } from '../../site/settings-files.ts';
import { together } from '../../site/together.ts';
import type { RunContext } from '../context.ts';
import { createLabVault, type LabVault } from '../lab-vault.ts';
import { agentMain, agentSettings, noteAgentMemory } from './agent-files.ts';
import { HOST } from './host.ts';
import { makeRecoveryPlace } from './recovery-place.ts';
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

/** The vault's name in the settings of the process server, and the login's. */
export const LAB = 'lab';

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

  const makeVault = async (): Promise<{ readonly store: LabStore | undefined; readonly vault: LabVault }> => {
    const store = options.vault === undefined && !options.keep ? await startStore(context, directory) : undefined;
    signal.throwIfAborted();
    return { store, vault: await createLabVault(context, person, store) };
  };
  const [{ store, vault }, server] = await together([
    makeVault(),
    startConfigurationServer({ directory: path.join(directory, 'configuration-server'), onStart }),
  ]);
  signal.throwIfAborted();
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
    recovery: { directory: makeRecoveryPlace(recorder) },
    vaults: { [LAB]: vaultSettings(vault) },
  });
  const processServer = program('holdfast-process-server', mainOf('process-server'), serverFiles);
  const startServer = async (): Promise<void> => {
    await join('process-server', mainOf('process-server'), serverFiles);
    await processServer.start();
  };

  const metricsPort = await freePort();
  const agentFiles = writeSettings(directory, 'agent', agentSettings(directory, metricsPort, disks, options));
  const [machineId] = await together([join('agent', mainOf('mobility-agent'), agentFiles), startServer()]);
  signal.throwIfAborted();
  noteAgentMemory(context, machineId);
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
