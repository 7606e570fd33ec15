import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createPerson, outputOf, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

const HOST = '127.0.0.1';

/** The servers of a site, each a process of its own: a configuration server, and a process server that holds the vault `office`. */
export interface Servers {
  readonly server: ConfigurationServer;
  /** Logged in as administrator. */
  readonly person: Person;
  readonly processServer: ProgramProcess;
  /** Where the process server keeps its state. */
  readonly processServerState: string;
  /** An agent as a process of this machine; it ends with the rest. */
  startAgent(settings: Readonly<Record<string, unknown>>): Promise<ProgramProcess>;
  /** All programs, in the order in which they were started. */
  readonly programs: readonly ProgramProcess[];
  /** Ends all of it in order, last begun first. */
  stop(): Promise<void>;
}

export interface ServersOptions {
  /** Short: Unix sockets live below it. */
  readonly directory: string;
  readonly vault: string;
  readonly keyFile: string;
  /** Where machines reach this one, when that is not 127.0.0.1: "10.0.2.2". */
  readonly announcedHost?: string;
  /** Lines of the configuration server's settings beside those that are always there. */
  readonly settings?: string;
  /** Milliseconds that a command may take. */
  readonly patience?: number;
  /** The tree whose programs the members are; this one unless told. A link is followed at every start. */
  readonly root?: string;
  /** Gets the number of every process at once. */
  readonly onStart?: (pid: number) => void;
}

export const startServers = async ({
  directory,
  vault,
  keyFile,
  announcedHost = HOST,
  settings,
  patience,
  root,
  onStart = () => undefined,
}: ServersOptions): Promise<Servers> => {
  await mkdir(directory, { recursive: true });
  const server = await startConfigurationServer({
    directory: path.join(directory, 'cs'),
    announcedHost,
    onStart,
    main: mainOf('configuration-server', root),
    ...(settings !== undefined && { settings }),
  });
  const programs: ProgramProcess[] = [server.process];
  const stop = async (): Promise<void> => {
    for (const program of programs.toReversed()) await program.stop();
  };
  const person = createPerson(path.join(directory, 'person'), onStart, patience);
  const start = async (role: 'agent' | 'process-server', own: Readonly<Record<string, unknown>>): Promise<ProgramProcess> => {
    const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server', root);
    const hardware = path.join(directory, `${role}.json`);
    await writeFile(hardware, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
    const common = { http: { listen: `${HOST}:0` }, identity: { 'hardware-file': hardware } };
    const files = writeSettings(directory, role === 'agent' ? 'ag' : 'ps', { ...common, ...own });
    const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
    const where = ['--server', `${HOST}:${server.port}`, '--fingerprint', server.fingerprint];
    outputOf('join', await runProcess(main, ['join', '--config', files.config, ...where], { input: `${secret}\n`, onStart }));
    const program = createProgramProcess({ name: `holdfast-${role}`, main, config: files.config, logFile: files.logFile, onStart });
    programs.push(program);
    await program.start();
    return program;
  };
  try {
    const login = ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'here'];
    await person.json(login, { input: server.administratorToken });
    const port = await freePort();
    const processServer = await start('process-server', {
      replication: { listen: `${HOST}:${port}`, advertise: [`${announcedHost}:${port}`] },
      journal: { quota: '256MiB' },
      vaults: { office: { url: vault, 'key-file': keyFile } },
    });
    const processServerState = path.join(directory, 'ps', 'state');
    return { server, person, processServer, processServerState, startAgent: (own) => start('agent', own), programs, stop };
  } catch (reason) {
    await stop();
    throw reason;
  }
};
