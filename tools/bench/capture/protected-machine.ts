import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { joinSite } from '@holdfast/daemon';
import { createWriteTrace } from '@holdfast/mobility-agent';
import { createServerSite, type ServerSite } from '@holdfast/process-server/conformance';
import { idBytes, newId } from '@holdfast/protocol';
import { until } from '../../lab/host/until.ts';
import { flagsAsInstalled, mainOf } from '../../site/from-source.ts';
import { createProgramProcess, type ProgramProcess } from '../../site/program-process.ts';
import { writeSettings } from '../../site/settings-files.ts';

/** What the agent says of itself over HTTP. */
export interface AgentFigures {
  readonly points: number;
  /** Bytes of disk in committed cuts. */
  readonly changedBytes: number;
  /** Bytes of payload sent. */
  readonly sentBytes: number;
  readonly pendingCuts: number;
  readonly pendingBytes: number;
  readonly conflicts: number;
  /** Age of the newest durable state; NaN before the first. */
  readonly rpoSeconds: number;
}

/** `holdfast-agent` and `holdfast-process-server` as processes, with a vault in a folder; a machine of which some disks are protected. */
export interface ProtectedMachine {
  readonly server: ServerSite;
  readonly agent: ProgramProcess;
  /** Process of the agent. */
  readonly agentPid: number;
  figures(): Promise<AgentFigures>;
  /** Resolves when everything committed is in the vault, but for what a machine at rest commits: that may take as long as the vault's idle interval. */
  drained(): Promise<void>;
  /** Resolves after so many more points; tells the figures. */
  points(count: number): Promise<AgentFigures>;
  close(): Promise<void>;
}

export interface ProtectedMachineOptions {
  /** An empty directory, on none of the disks. */
  readonly directory: string;
  readonly disks: readonly string[];
  /** Of the agent; below `directory` unless told. Its settings, state and what it writes lie here. */
  readonly agentDirectory?: string;
  /** The agent's main file. */
  readonly main?: string;
  /** The process server's. */
  readonly serverMain?: string;
  readonly pointIntervalSeconds: number;
  /** Further settings of the agent: { hrl: { memory: '16MiB' } }. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Makes the way to the process server's port and tells the address at its near end; straight unless told. */
  readonly reach?: (port: number) => Promise<string>;
}

/** A tmpfs for what survives the agent. */
const MEMORY = '/dev/shm';
/** A cut without changes has some 350 bytes, so this is some minutes of them. */
const AT_REST_BYTES = 64 * 1024;
/** Ten times what a copy of the largest disk of the specs takes; a bench brings its own patience. */
const PATIENCE_SECONDS = 600;

const figureOf = (page: string, name: string): number => {
  const found = new RegExp(`^holdfast_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(page);
  if (found === null) throw new Error(`the agent's metrics have no ${name}`);
  return Number(found[1]);
};

/** Starts both and waits for the first point: from here on the disks are copied. */
export const startProtectedMachine = async (options: ProtectedMachineOptions): Promise<ProtectedMachine> => {
  const {
    directory,
    disks,
    main = mainOf('mobility-agent'),
    serverMain = mainOf('process-server'),
    pointIntervalSeconds,
    settings = {},
    reach,
  } = options;
  const agentDirectory = options.agentDirectory ?? path.join(directory, 'agent');
  const serverDirectory = path.join(directory, 'server');
  await mkdir(serverDirectory, { recursive: true });
  const environment = { NODE_OPTIONS: flagsAsInstalled('holdfast-process-server').join(' ') };
  const server = await createServerSite({ directory: serverDirectory, main: serverMain, environment });
  let agentPid = 0;
  let http = '';
  let agent: ProgramProcess | undefined;
  let machineId: string | undefined;
  const close = async (): Promise<void> => {
    await agent?.stop();
    await server.close();
    if (machineId === undefined) return;
    // An agent that ends leaves the kernel tracing, so that the next one can go on.
    createWriteTrace({ machineId, bufferBytes: 1 << 20, memoryDirectory: MEMORY }).destroy();
    for (const left of ['log', 'sender.json']) rmSync(path.join(MEMORY, `holdfast-${machineId}-${left}`), { recursive: true, force: true });
  };
  try {
    const hardware = { productUuid: crypto.randomUUID(), productSerial: '', macAddresses: [], machineId: newId() };
    const hardwareFile = path.join(directory, 'machine.json');
    writeFileSync(hardwareFile, JSON.stringify(hardware));
    const files = writeSettings(agentDirectory, 'holdfast-agent', {
      identity: { 'hardware-file': hardwareFile },
      disks: { include: disks },
      http: { listen: '127.0.0.1:0' },
      report: { interval: '200ms' },
      sender: { 'retry-first': '50ms', 'retry-longest': '500ms' },
      ...settings,
      trace: { 'memory-directory': MEMORY, ...settings['trace'] },
    });
    const state = path.join(files.directory, 'state');
    await mkdir(state, { mode: 0o700 });
    const { id } = await joinSite({
      server: server.configuration.address,
      token: server.configuration.createToken(),
      fingerprint: server.configuration.fingerprint,
      role: 'agent',
      hardware,
      hostname: 'machine.test',
      version: '0.0.0-test',
      directory: state,
    });
    machineId = id;
    server.assign([id]);
    await server.start();
    agent = createProgramProcess({
      name: 'holdfast-agent',
      main,
      ...files,
      onStart: (pid) => {
        agentPid = pid;
      },
      onLine: (line) => {
        if (line.message === 'Health and metrics are served') http = `http://127.0.0.1:${line['port']}/metrics`;
      },
    });
    await agent.start();
    const started = agent;
    const { hello } = await server.configuration.agents.stream((stream) => stream.id === id);
    const diskIds = hello.manifest?.disks.map((disk) => disk.id) ?? [];
    if (diskIds.length !== disks.length) throw new Error(`the agent sees ${diskIds.length} of ${disks.length} disks`);
    const address = (await reach?.(server.port)) ?? `127.0.0.1:${server.port}`;
    server.configuration.agents.setState(id, {
      revision: 1n,
      protection: {
        machineId: idBytes(id),
        diskIds,
        processServers: [address],
        pointIntervalSeconds,
        compression: 'lz4',
      },
    });
    const figures = async (): Promise<AgentFigures> => {
      const page = await (await fetch(http)).text();
      return {
        points: figureOf(page, 'agent_points_total'),
        changedBytes: figureOf(page, 'agent_changed_bytes_total'),
        sentBytes: figureOf(page, 'agent_sent_bytes_total'),
        pendingCuts: figureOf(page, 'agent_pending_cuts'),
        pendingBytes: figureOf(page, 'agent_pending_bytes'),
        conflicts: figureOf(page, 'agent_cut_conflicts_total'),
        rpoSeconds: figureOf(page, 'agent_rpo_seconds'),
      };
    };
    const points = async (count: number): Promise<AgentFigures> => {
      const before = (await figures()).points;
      let now = await figures();
      const enough = async (): Promise<boolean> => {
        now = await figures();
        return now.points >= before + count;
      };
      const waiting = until(`${count} points`, enough, { seconds: PATIENCE_SECONDS, everyMilliseconds: 100 });
      await Promise.race([waiting, started.failure]).catch((reason: unknown) => {
        throw new Error(`${reason}; the agent's log ends with: ${readFileSync(files.logFile, 'utf8').slice(-2000)}`);
      });
      return now;
    };
    const drained = (): Promise<void> =>
      until('an empty log', async () => (await figures()).pendingBytes < AT_REST_BYTES, {
        seconds: PATIENCE_SECONDS,
        everyMilliseconds: 50,
      });
    return {
      server,
      agent,
      get agentPid() {
        return agentPid;
      },
      figures,
      drained,
      points,
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
};
