import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { openStore } from '@holdfast/object-store';
import { createVault, type MachineHistory, openVault, openView, readKeyFile, readMachine, writeKeyFile } from '@holdfast/vault';
import { until } from '../lab/host/until.ts';
import { createMiniImage, MINI_MARKER } from '../mini-image/index.ts';
import { createPerson, outputOf, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

const HOST = '127.0.0.1';
/** Seconds a machine may take to start when it is emulated and everybody else works too. */
const PATIENCE = { seconds: 120 };
/** What is left of the disk behind the files of the image. */
const LAST_BLOCK = 64 * 1024 * 1024 - 4096;

export interface SitePoint {
  readonly id: string;
  readonly time: string;
}

export interface SiteRecovery {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly running: { readonly state: string; readonly console: string } | null;
  readonly point: SitePoint;
  readonly startSeconds: number;
}

/** A machine whose one disk is the small server's image, with an agent as a process. */
export interface SiteMachine {
  readonly name: string;
  readonly image: string;
  readonly agent: ProgramProcess;
  /** Its power-off leaves this file behind. */
  readonly off: string;
  points(): Promise<SitePoint[]>;
  /** The first point that was not there when this was called. */
  nextPoint(): Promise<SitePoint>;
  shown(): Promise<SiteRecovery>;
  /** Resolves when the console of what runs has shown the marker. */
  starts(recovery: SiteRecovery): Promise<void>;
  /** Writes where no file of the image is, so that there is something new. */
  scribble(fill: number): Promise<void>;
  /** What `scribble` wrote, as a point has it. */
  scribbled(point: string): Promise<number>;
  history<T>(use: (history: MachineHistory) => Promise<T> | T): Promise<T>;
}

/** A whole installation of processes, and a vault in a folder. */
export interface RecoveryInstallation {
  readonly directory: string;
  /** Of shutdown.directory; below nothing that others may write to. */
  readonly scripts: string;
  readonly server: ConfigurationServer;
  readonly person: Person;
  readonly gateways: readonly ProgramProcess[];
  readonly machines: readonly SiteMachine[];
  /** Takes back what runs, ends every program and removes all files. */
  close(): Promise<void>;
}

export interface RecoveryInstallationOptions {
  readonly machines: readonly string[];
  readonly gateways?: readonly string[];
  /** Lines of the settings of the configuration server; gets the directory of scripts. */
  readonly settings?: (scripts: string) => string;
}

/** Sets it up, with all machines protected. What was begun is ended when it does not succeed. */
export const openRecoveryInstallation = async (options: RecoveryInstallationOptions): Promise<RecoveryInstallation> => {
  // Short: Unix sockets live below it.
  const directory = await mkdtemp(path.join(tmpdir(), 'hfr-'));
  const scripts = await mkdtemp(path.join(homedir(), '.hfr-'));
  const running: ProgramProcess[] = [];
  const machines: SiteMachine[] = [];
  let server: ConfigurationServer | undefined;
  let person: Person | undefined;
  const close = async (): Promise<void> => {
    for (const { name } of machines)
      for (const end of [
        ['cleanup', name],
        ['cancel', name, '--yes'],
      ])
        await person?.run(['failover', ...end, '--wait']);
    for (const program of running.toReversed()) await program.stop();
    await server?.process.stop();
    // What was committed outlives them all.
    for (const name of options.gateways ?? ['ps']) {
      const fabric = createQemuFabric({ directory: path.join(directory, name, 'state', 'recovery', 'vm') });
      for (const { operationId } of await fabric.list()) await fabric.remove(operationId);
    }
    for (const one of [directory, scripts]) await rm(one, { recursive: true, force: true });
  };
  try {
    return { ...(await setUp()), close };
  } catch (reason) {
    await close();
    throw reason;
  }

  async function setUp(): Promise<Omit<RecoveryInstallation, 'close'>> {
    const vault = `file://${path.join(directory, 'vault')}`;
    await mkdir(path.join(directory, 'vault'));
    const keyFile = path.join(directory, 'vault.key');
    await (await createVault(await openStore(vault), { name: 'office', keys: [await writeKeyFile(keyFile)] })).close();
    const there = await startConfigurationServer({ directory: path.join(directory, 'cs'), settings: options.settings?.(scripts) ?? '' });
    server = there;
    const somebody = createPerson(path.join(directory, 'person'));
    person = somebody;
    await somebody.json(['login', '--server', there.url, '--fingerprint', there.fingerprint, '--name', 'here'], {
      input: there.administratorToken,
    });
    const start = async (
      role: 'agent' | 'process-server',
      name: string,
      settings: Readonly<Record<string, unknown>>,
    ): Promise<ProgramProcess> => {
      const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
      const hardware = path.join(directory, `${name}.json`);
      await writeFile(hardware, JSON.stringify({ productUuid: randomUUID(), productSerial: '', macAddresses: [], machineId: '' }));
      const common = { http: { listen: `${HOST}:0` }, identity: { 'hardware-file': hardware } };
      const files = writeSettings(directory, name, { ...common, ...settings });
      const { secret } = await somebody.json<{ secret: string }>(['token', 'create', '--role', role]);
      const join = ['join', '--config', files.config, '--server', `${HOST}:${there.port}`, '--fingerprint', there.fingerprint];
      outputOf('join', await runProcess(main, join, { input: `${secret}\n` }));
      const program = createProgramProcess({ name: `holdfast-${role}`, main, config: files.config, logFile: files.logFile });
      running.push(program);
      await program.start();
      return program;
    };
    const gateways: ProgramProcess[] = [];
    for (const name of options.gateways ?? ['ps']) {
      const replication = `${HOST}:${await freePort()}`;
      gateways.push(
        await start('process-server', name, {
          replication: { listen: replication, advertise: [replication] },
          journal: { quota: '256MiB' },
          // Points without changes are waited for.
          upload: { 'idle-interval': '1s' },
          vaults: { office: { url: vault, 'key-file': keyFile } },
        }),
      );
    }
    for (const [index, name] of options.machines.entries()) {
      const image = path.join(directory, `${name}.raw`);
      const off = path.join(directory, `${name}.off`);
      await copyFile((await createMiniImage()).path, image);
      const agent = await start('agent', `ag${index}`, {
        disks: { include: [image] },
        hrl: { quota: '256MiB', segment: '16MiB' },
        points: { interval: '1s' },
        sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
        report: { interval: '200ms' },
        shutdown: { directory: scripts, 'power-off': ['touch', off] },
      });
      const known = await somebody.json<{ id: string; name: string }[]>(['machine', 'list']);
      const { id } = known.find((one) => !options.machines.includes(one.name))!;
      await somebody.json(['machine', 'rename', id, name]);
      await somebody.json(['protect', name, '--vault', 'office', '--wait'], {});
      machines.push(createMachine({ id, name, image, off, agent, person: somebody, vault, keyFile }));
    }
    return { directory, scripts, server: there, person: somebody, gateways, machines };
  }
};

interface MachineParts extends Pick<SiteMachine, 'name' | 'image' | 'off' | 'agent'> {
  readonly id: string;
  readonly person: Person;
  readonly vault: string;
  readonly keyFile: string;
}

const createMachine = ({ id, name, image, off, agent, person, vault: url, keyFile }: MachineParts): SiteMachine => {
  const points = () => person.json<SitePoint[]>(['point', 'list', name, '--limit', '1000']);
  const history: SiteMachine['history'] = async (use) => {
    const vault = await openVault(await openStore(url), await readKeyFile(keyFile));
    try {
      return await use(await readMachine(vault, id));
    } finally {
      await vault.close();
    }
  };
  return {
    name,
    image,
    off,
    agent,
    points,
    history,
    shown: () => person.json<SiteRecovery>(['recovery', 'show', name]),
    starts: ({ running }) =>
      until('its marker on the console', async () => MINI_MARKER.test(await readFile(running!.console, 'latin1')), {
        ...PATIENCE,
        everyMilliseconds: 100,
      }),
    async scribble(fill) {
      const file = await open(image, 'r+');
      await file.write(Buffer.alloc(4096, fill), 0, 4096, LAST_BLOCK);
      await file.sync();
      await file.close();
    },
    scribbled: (pointId) =>
      history(async (machine) => {
        const point = machine.points.find((one) => one.id === pointId)!;
        const view = await openView(machine, point.id, point.disks[0]!);
        const block = new Uint8Array(4096);
        await view.read(LAST_BLOCK, block);
        await view.close();
        return block.every((byte) => byte === block[0]) ? block[0]! : Number.NaN;
      }),
    async nextPoint() {
      const known = new Set((await points()).map((point) => point.id));
      let found: SitePoint | undefined;
      const look = async (): Promise<boolean> => {
        found = (await points()).find((point) => !known.has(point.id));
        return found !== undefined;
      };
      await until('another point', look, PATIENCE);
      return found!;
    },
  };
};
