import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';

/** A configuration server on 127.0.0.1, as a process of its own. */
export interface ConfigurationServer {
  readonly url: string;
  readonly port: number;
  readonly fingerprint: string;
  readonly administratorToken: string;
  readonly process: ProgramProcess;
}

export interface ConfigurationServerOptions {
  readonly directory: string;
  /** Lines of its settings file beside those that are always there. */
  readonly settings?: string;
  readonly port?: number;
  /** Where health and metrics are served; any free port unless told. */
  readonly http?: string;
  /** Where members reach it, when that is not 127.0.0.1: "10.0.2.2". */
  readonly announcedHost?: string;
  /** Where it tells members that it is reached; at its own port unless told. */
  readonly addresses?: readonly string[];
  /** Its main file: of the sources unless told. */
  readonly main?: string;
  /** Gets the process number at once, to be recorded. */
  onStart?(pid: number): void;
}

/** Starts one; it keeps its port over restarts. */
export const startConfigurationServer = async ({
  directory,
  settings = '',
  port = 0,
  http = '127.0.0.1:0',
  announcedHost = '127.0.0.1',
  addresses = [],
  main = mainOf('configuration-server'),
  onStart,
}: ConfigurationServerOptions): Promise<ConfigurationServer> => {
  const state = path.join(directory, 'state');
  const config = path.join(directory, 'configuration-server.yaml');
  await mkdir(directory, { recursive: true });
  // The first one stands in join commands.
  const names = [...new Set([announcedHost, '127.0.0.1'])].map((name) => JSON.stringify(name)).join(', ');
  const told = addresses.length === 0 ? '' : `, addresses: ${JSON.stringify(addresses)}`;
  const write = (listen: number): Promise<void> =>
    writeFile(
      config,
      [
        `state: { directory: ${JSON.stringify(state)} }`,
        `listen: { address: "127.0.0.1:${listen}", names: [${names}]${told} }`,
        `http: { listen: ${JSON.stringify(http)} }`,
        settings,
        '',
      ].join('\n'),
    );
  await write(port);
  let served: { readonly port: number; readonly fingerprint: string } | undefined;
  const program = createProgramProcess({
    name: 'holdfast-configuration-server',
    main,
    config,
    logFile: path.join(directory, 'log'),
    ...(onStart === undefined ? {} : { onStart }),
    onLine: (line) => {
      const { message, port: at, fingerprint } = line as { message?: string; port?: number; fingerprint?: string };
      if (message === 'Machines, servers and people are served' && at !== undefined && fingerprint !== undefined)
        served = { port: at, fingerprint };
    },
  });
  await program.start();
  if (served === undefined) throw new Error('it did not say where it listens');
  await write(served.port);
  return {
    url: `https://127.0.0.1:${served.port}`,
    ...served,
    administratorToken: await readFile(path.join(state, 'administrator.token'), 'utf8'),
    process: program,
  };
};
