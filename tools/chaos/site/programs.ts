import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startAzurite } from '../../azurite/azurite.ts';
import { type FaultyProxy, startFaultyProxy } from '../../azurite/faulty-proxy.ts';
import type { RunContext } from '../../lab/context.ts';
import { runTool } from '../../lab/host/run-tool.ts';
import { MEMORY_DIRECTORY, noteAgentMemory } from '../../lab/installation/agent-files.ts';
import { createPerson, outputOf, type Person, runProcess } from '../../site/cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from '../../site/configuration-server.ts';
import { freePort } from '../../site/free-port.ts';
import { mainOf } from '../../site/from-source.ts';
import { createProgramProcess, type ProgramProcess } from '../../site/program-process.ts';
import { writeSettings } from '../../site/settings-files.ts';
import { together } from '../../site/together.ts';
import { type Link, openLink } from './link.ts';
import { createNetworkRoom } from './network-room.ts';
import type { Opened } from './opened.ts';
import { createSky, type Sky } from './weather.ts';

/** A program that belongs to the installation, with its own way to the configuration server. */
export interface Member {
  readonly id: string;
  readonly program: ProgramProcess;
  readonly control: Link;
}

export interface AgentMember extends Member {
  readonly metrics: URL;
}

export interface ServerMember extends Member {
  /** What all agents reach it by. */
  readonly data: Link;
  /** Its way to the store. */
  readonly store: Link;
  /** Where its journal is: a small file system of its own. */
  readonly journal: string;
  /** Takes its disk away, with everything it knew, and has the machine join again; it does not run afterwards. */
  loseDisk(): Promise<void>;
}

/**
 * A vault in a store behind faulty weather, a configuration server, process servers: each a process, each behind links that may break. One process server
 * has a network of its own, of the kernel's making; before the others, and before agents, stand proxies.
 */
export interface Installation {
  readonly person: Person;
  readonly sky: Sky;
  /** For who reads the vault past the weather. */
  readonly vault: { readonly url: string; readonly keyFile: string; readonly accountKeyFile: string };
  readonly configurationServer: ConfigurationServer;
  readonly servers: readonly ServerMember[];
  /** An agent with these disks joins; it does not run yet. */
  addAgent(name: string, disks: readonly string[]): Promise<AgentMember>;
  /** Hands on what the weather held back. */
  release(): Promise<void>;
}

interface Network extends Pick<ServerMember, 'data' | 'control' | 'store'> {
  /** "host:port", for agents. */
  readonly listen: string;
  /** What its command begins with. */
  readonly enter: readonly string[];
}

export const VAULT = 'main';
const HOST = '127.0.0.1';
/** Nobody is there. Members try every address they are told; at a true one they would pass by the links they joined by, and no partition would be one. */
const NOWHERE = `${HOST}:1`;
/** By which network each process server is reached. */
const SERVERS = ['proxies', 'namespace'] as const;
/** Bytes of a journal's file system: far less than its quota. */
const JOURNAL_MEBIBYTES = 64;
/** After so long without a sign of a process server its machines are moved. */
const REASSIGN_AFTER_SECONDS = 5;

const CONFIGURATION = [
  // Renewed in the middle of everything.
  'certificates: { lifetime: "4min" }',
  `balance: { reassign-after: "${REASSIGN_AFTER_SECONDS}s", interval: "500ms" }`,
].join('\n');

/** `opened` gets what has to be closed, at once as it is opened. */
export const install = async (context: RunContext, seed: number, opened: Opened): Promise<Installation> => {
  const { recorder } = context;
  const directory = path.join(recorder.record.directory, 'site');
  const contexts = path.join(directory, 'contexts');
  mkdirSync(contexts, { recursive: true, mode: 0o700 });
  const onStart = (pid: number): void => recorder.noteProcess(pid);
  const person = createPerson(contexts, onStart);
  const link = async (port: number, host?: string): Promise<Link> => {
    const way = await openLink(port, host);
    opened.add(way.close);
    return way;
  };

  const sky = createSky(seed);
  const makeVault = async () => {
    const folder = path.join(directory, 'azurite');
    mkdirSync(folder);
    const azurite = await startAzurite({ folder, detached: true });
    opened.add(() => azurite.stop('SIGKILL'));
    recorder.noteProcess(azurite.pid);
    const proxy: FaultyProxy = await startFaultyProxy(azurite.port, sky.plan);
    opened.add(proxy.close);
    const accountKeyFile = path.join(directory, 'azure-account.key');
    writeFileSync(accountKeyFile, azurite.key, { mode: 0o600 });
    const url = await azurite.createContainer('lab');
    const made = { url, keyFile: path.join(directory, 'vault.key'), accountKeyFile };
    const kit = path.join(directory, 'recovery-kit.txt');
    await person.json(['vault', 'create', '--store', url, '--name', 'chaos', '--new-key-file', made.keyFile, '--recovery-kit', kit], {
      environment: { AZURE_STORAGE_KEY_FILE: accountKeyFile },
    });
    return { vault: made, proxy, azuritePort: azurite.port };
  };
  const startServer = async (): Promise<ConfigurationServer> => {
    const server = await startConfigurationServer({
      directory: path.join(directory, 'configuration-server'),
      settings: CONFIGURATION,
      addresses: [NOWHERE],
      onStart,
    });
    opened.add(() => server.process.kill());
    return server;
  };
  const [{ vault, proxy, azuritePort }, configurationServer] = await together([makeVault(), startServer()]);
  const { url, accountKeyFile } = vault;
  const { fingerprint, administratorToken } = configurationServer;
  await person.json(['login', '--server', configurationServer.url, '--fingerprint', fingerprint, '--name', 'chaos'], {
    input: administratorToken,
  });

  const join = async (role: 'agent' | 'process-server', main: string, config: string, control: Link): Promise<string> => {
    const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
    const args = ['join', '--config', config, '--server', `${control.host}:${control.port}`, '--fingerprint', fingerprint];
    const said = outputOf(`${role} join`, await runProcess(main, args, { input: `${secret}\n`, onStart }));
    const [, id] = / as [a-z-]+ ([0-9a-f]{32})/.exec(said) ?? [];
    if (id === undefined) throw new Error(`the program that joined did not tell its id: ${said}`);
    return id;
  };
  const hardware = (name: string): string => {
    const file = path.join(directory, `${name}-hardware.json`);
    writeFileSync(file, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
    return file;
  };

  /** What a process server listens at, and the ways to it and from it. */
  const networkOf = async (name: string, kind: (typeof SERVERS)[number]): Promise<Network> => {
    const port = await freePort();
    if (kind === 'proxies')
      return {
        listen: `${HOST}:${port}`,
        enter: [],
        data: await link(port),
        control: await link(configurationServer.port),
        store: await link(proxy.port),
      };
    const room = createNetworkRoom(recorder, name.slice(-1));
    const control = room.linkFrom((await link(configurationServer.port, room.outside)).port);
    const store = room.linkFrom((await link(proxy.port, room.outside)).port);
    // Without TLS a store is spoken to at the loopback only.
    room.redirectLoopback(store.port);
    return { listen: `${room.inside}:${port}`, enter: room.enter, data: room.linkTo(port), control, store };
  };

  const addServer = async (name: string, kind: (typeof SERVERS)[number]): Promise<ServerMember> => {
    const { listen, enter, data, control, store } = await networkOf(name, kind);
    const http = await freePort();
    const journal = path.join(directory, `${name}-journal`);
    mkdirSync(journal);
    await runTool('mount', ['-t', 'tmpfs', '-o', `size=${JOURNAL_MEBIBYTES}m`, 'tmpfs', journal]);
    const {
      config,
      logFile,
      directory: own,
    } = writeSettings(directory, name, {
      http: { listen: `${HOST}:${http}` },
      identity: { 'hardware-file': hardware(name) },
      replication: { listen, advertise: [`${data.host}:${data.port}`] },
      journal: { directory: path.join(journal, 'files'), quota: '1GiB', segment: '8MiB' },
      vaults: {
        [VAULT]: {
          url: url.replace(`:${azuritePort}/`, `:${store.port}/`),
          'key-file': vault.keyFile,
          'azure-account-key-file': accountKeyFile,
        },
      },
    });
    const main = mainOf('process-server');
    const program = createProgramProcess({ name: 'holdfast-process-server', main, config, enter, logFile, onStart });
    opened.add(() => program.kill());
    const id = await join('process-server', main, config, control);
    return {
      id,
      program,
      control,
      data,
      store,
      journal,
      async loseDisk() {
        await program.kill();
        rmSync(path.join(journal, 'files'), { recursive: true, force: true });
        rmSync(path.join(own, 'state'), { recursive: true, force: true });
        await join('process-server', main, config, control);
      },
    };
  };

  const servers = await together<ServerMember[]>(
    SERVERS.map(async (kind, index) => {
      const server = await addServer(`process-server-${index}`, kind);
      await server.program.start();
      return server;
    }),
  );

  return {
    person,
    sky,
    vault,
    configurationServer,
    servers,
    async addAgent(name, disks) {
      const control = await link(configurationServer.port);
      const http = await freePort();
      const { config, logFile } = writeSettings(directory, name, {
        http: { listen: `${HOST}:${http}` },
        identity: { 'hardware-file': hardware(name) },
        disks: { include: disks },
        hrl: { quota: '64MiB', segment: '4MiB', memory: '8MiB' },
        trace: { 'memory-directory': MEMORY_DIRECTORY },
        copy: { yield: false },
        check: { interval: '5s' },
        points: { interval: '4s' },
        sender: { 'retry-first': '100ms', 'retry-longest': '2s', 'retry-refused': '2s' },
        report: { interval: '500ms' },
      });
      const main = mainOf('mobility-agent');
      const id = await join('agent', main, config, control);
      noteAgentMemory(context, id);
      const program = createProgramProcess({ name: 'holdfast-agent', main, config, logFile, onStart });
      opened.add(() => program.kill());
      return { id, program, control, metrics: new URL(`http://${HOST}:${http}/metrics`) };
    },
    release: () => proxy.release(),
  };
};
