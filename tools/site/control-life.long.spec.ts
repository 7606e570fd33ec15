import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { openStore } from '@holdfast/object-store';
import { openVault, readKeyFile, readMachine } from '@holdfast/vault';
import { createPerson, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

const PASSPHRASE = 'four words make it';
/** Milliseconds, ten times what it takes. */
const PATIENCE = 100_000;

let directory: string;
let running: { stop(): Promise<void> }[];
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-life-'));
  running = [];
});
afterEach(async () => {
  for (const process of running) await process.stop();
  await rm(directory, { recursive: true });
});

const until = async <T>(ask: () => Promise<T | undefined>): Promise<T> => {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it never came to be');
};

const startServer = async (name: string, port = 0): Promise<ConfigurationServer> => {
  const settings = `backup: { passphrase: "${PASSPHRASE}", vault-pace: 1s }\nreconciliation: { settle: 0s }`;
  const server = await startConfigurationServer({ directory: path.join(directory, name), settings, port });
  running.push(server.process);
  return server;
};

const logIn = async (server: ConfigurationServer, name: string): Promise<Person> => {
  const person = createPerson(path.join(directory, `person-${name}`));
  const login = ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', name];
  const { status, stderr } = await person.run(login, server.administratorToken);
  if (status !== 0) throw new Error(stderr);
  return person;
};

interface Program {
  readonly config: string;
  readonly process: ProgramProcess;
}

/** Joins, or joins anew, by a token that is made for it. */
const join = async (role: 'agent' | 'process-server', server: ConfigurationServer, person: Person, config: string): Promise<void> => {
  const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
  const where = ['--server', `127.0.0.1:${server.port}`, '--fingerprint', server.fingerprint];
  const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
  const { status, stderr } = await runProcess(main, ['join', ...where, '--config', config], { input: `${secret}\n` });
  if (status !== 0) throw new Error(stderr);
};

const startProgram = async (
  role: 'agent' | 'process-server',
  { config, logFile }: { config: string; logFile: string },
): Promise<Program> => {
  const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
  const process = createProgramProcess({ name: `holdfast-${role}`, main, config, logFile });
  running.unshift(process);
  await process.start();
  return { config, process };
};

/** A process server with a vault in a folder, joined and connected. */
const startGateway = async (server: ConfigurationServer, person: Person): Promise<Program> => {
  const folder = path.join(directory, 'vault');
  const keyFile = path.join(directory, 'vault.key');
  await mkdir(folder);
  await person.json([
    ...['vault', 'create', '--store', `file:${folder}`, '--name', 'office'],
    ...['--new-key-file', keyFile, '--recovery-kit', path.join(directory, 'kit.txt')],
  ]);
  const hardware = path.join(directory, 'hardware.json');
  await writeFile(hardware, JSON.stringify({ productUuid: 'gateway', productSerial: '', macAddresses: [], machineId: '' }));
  const listen = `127.0.0.1:${await freePort()}`;
  const files = writeSettings(directory, 'gateway', {
    http: { listen: '127.0.0.1:0' },
    identity: { 'hardware-file': hardware },
    replication: { listen, advertise: [listen] },
    journal: { quota: '64MiB' },
    // Points without changes are waited for.
    upload: { 'idle-interval': '1s' },
    vaults: { office: { url: `file:${folder}`, 'key-file': keyFile } },
  });
  await join('process-server', server, person, files.config);
  return startProgram('process-server', files);
};

/** What tells this machine for whoever knows of it only what its points tell. */
const cards = (): string[] =>
  Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one === undefined || one.internal ? [] : [one.mac]));

/** A machine whose one disk is a file, protected. */
const startMachine = async (server: ConfigurationServer, person: Person): Promise<Program> => {
  const hardware = path.join(directory, 'machine.json');
  await writeFile(
    hardware,
    JSON.stringify({ productUuid: 'machine', productSerial: '', macAddresses: [...new Set(cards())], machineId: '' }),
  );
  await writeFile(disk(), Buffer.alloc(4 * MIB, 7));
  const files = writeSettings(directory, 'machine', {
    http: { listen: '127.0.0.1:0' },
    identity: { 'hardware-file': hardware },
    disks: { include: [disk()] },
    hrl: { quota: '64MiB', memory: '0B' },
    points: { interval: '1s' },
    sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
    report: { interval: '500ms' },
  });
  await join('agent', server, person, files.config);
  const program = await startProgram('agent', files);
  const name = await until(async () => (await machines(person)).find(({ connected }) => connected)?.name);
  await person.json(['protect', name, '--vault', 'office', '--wait']);
  return program;
};

const MIB = 1024 * 1024;
const disk = (): string => path.join(directory, 'disk.img');

const machines = (person: Person): Promise<{ id: string; name: string; connected: boolean }[]> => person.json(['machine', 'list']);

/** What the vault knows of the one machine. */
const inVault = async () => {
  const store = await openStore(`file:${path.join(directory, 'vault')}`);
  const vault = await openVault(store, await readKeyFile(path.join(directory, 'vault.key')));
  try {
    const [machine] = await vault.machines();
    if (machine === undefined) throw new Error('the vault knows no machine');
    const { points, generations } = await readMachine(vault, machine.id);
    return { id: machine.id, points: points.length, generations: [...generations.values()].length, newest: points.at(-1)?.time ?? 0 };
  } finally {
    await vault.close();
  }
};

/** Changes the disk, and waits until that is in the vault. */
const replicatesOn = async (fill: number): Promise<void> => {
  const file = await open(disk(), 'r+');
  await file.write(Buffer.alloc(4096, fill), 0, 4096, 2 * MIB);
  await file.sync();
  await file.close();
  const changed = Date.now();
  await until(async () => ((await inVault()).newest > changed + 2000 ? true : undefined));
};

const isConnected = async (person: Person): Promise<true | undefined> =>
  (await person.json<{ connected: boolean }[]>(['server', 'list']))[0]?.connected === true ? true : undefined;

describe('the life of a configuration server', () => {
  it('goes on elsewhere out of the vault when it is lost: process server and machine find it at another address by themselves', async () => {
    const old = await startServer('old');
    const person = await logIn(old, 'old');
    const gateway = await startGateway(old, person);
    await until(() => isConnected(person));
    const machine = await startMachine(old, person);
    await replicatesOn(1);
    const before = await inVault();
    await person.json(['policy', 'create', 'gold']);
    const ends = async (): Promise<string[]> =>
      (await readdir(path.join(directory, 'vault/control/backups'), { recursive: true }).catch(() => [])).filter((name) =>
        name.endsWith('end'),
      );
    const backups = await until(async () => {
      const { backups: kept } = await person.json<{ backups: { put?: string }[] }>(['restore', 'status']);
      return kept[0]?.put === undefined ? undefined : ends();
    });
    expect(backups.length).toBeGreaterThan(0);
    await person.json(['policy', 'create', 'silver']);
    // One that was begun after another one had ended knows of what there was before that.
    for (const policy of ['bronze', 'iron']) {
      const known = (await ends()).length;
      await person.json(['policy', 'create', policy]);
      await until(async () => ((await ends()).length > known ? true : undefined));
    }
    await old.process.kill();

    const state = path.join(directory, 'new', 'state');
    const port = await freePort();
    const place = ['--from-vault', `file:${path.join(directory, 'vault')}`, '--address', `127.0.0.1:${port}`];
    const restore = ['restore', ...place, '--state.directory', state];
    const refused = await runProcess(mainOf('configuration-server'), restore, { input: 'another passphrase\n' });
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('[SIGN_IN_NEEDED]') });
    const restored = await runProcess(mainOf('configuration-server'), restore, { input: `${PASSPHRASE}\n` });
    expect(restored).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining(`was told that it is at 127.0.0.1:${port}`) });
    const fresh = await startServer('new', port);
    expect(fresh.fingerprint).toBe(old.fingerprint);
    const again = await logIn(fresh, 'new');
    expect(await again.json(['restore', 'status'])).toMatchObject({ waiting: true, from: 'backup' });
    const policies = await again.json<{ name: string }[]>(['policy', 'list']);
    expect(policies.map(({ name }) => name)).toEqual(expect.arrayContaining(['default', 'gold', 'silver']));

    // It is at another port, which nobody tells anybody: the process server reads it in the vault and tells the machine. Neither is started again.
    await until(() => isConnected(again));
    await until(async () => ((await machines(again)).every(({ connected }) => connected) ? true : undefined));
    // It read its vaults and told what they say, so that nothing is missing: the wait ends by itself.
    const settled = await until(async () => {
      const now = await again.json<{ waiting: boolean; backups: { put?: string }[] }>(['restore', 'status']);
      return now.waiting || now.backups[0]?.put === undefined ? undefined : now;
    });
    expect(settled.waiting).toBe(false);
    await replicatesOn(2);
    const after = await inVault();
    expect(after).toMatchObject({ id: before.id, generations: before.generations });
    expect(after.points).toBeGreaterThan(before.points);
    for (const { process } of [gateway, machine]) expect(await readFile(process.logFile, 'utf8')).toContain(`127.0.0.1:${port}`);
    const events = await again.json<{ code: string }[]>(['event', 'list']);
    expect(events.filter(({ code }) => code.startsWith('resync'))).toEqual([]);
  }, 600_000);

  it('begins anew out of the vault alone when there is no backup either: what is there joins again', async () => {
    const old = await startServer('old');
    const person = await logIn(old, 'old');
    const gateway = await startGateway(old, person);
    await until(() => isConnected(person));
    const machine = await startMachine(old, person);
    await replicatesOn(1);
    const before = await inVault();
    await old.process.kill();

    const state = path.join(directory, 'new', 'state');
    const port = await freePort();
    const place = ['--from-vault', `file:${path.join(directory, 'vault')}`, '--key-file', path.join(directory, 'vault.key')];
    const rebuild = ['rebuild', ...place, '--address', `127.0.0.1:${port}`, '--state.directory', state];
    const rebuilt = await runProcess(mainOf('configuration-server'), rebuild);
    expect(rebuilt).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('knows 1 machine') });
    expect(await runProcess(mainOf('configuration-server'), rebuild)).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[OBJECT_EXISTS]'),
    });
    const fresh = await startServer('new', port);
    expect(fresh.fingerprint).not.toBe(old.fingerprint);
    const again = await logIn(fresh, 'new');
    // The authority is another one: whoever reads of it says so, and believes it nothing. Joining anew is the way; the machine keeps its id.
    const told = async (): Promise<true | undefined> =>
      (await readFile(gateway.process.logFile, 'utf8')).includes('another certificate authority') ? true : undefined;
    await until(told);
    const elsewhere = ['use-server', '--server', `127.0.0.1:${fresh.port}`, '--config', gateway.config];
    expect(await runProcess(mainOf('process-server'), elsewhere)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('[CERTIFICATE_UNTRUSTED]'),
    });
    for (const [role, { process, config }] of [
      ['process-server', gateway],
      ['agent', machine],
    ] as const) {
      await process.stop();
      await join(role, fresh, again, config);
      await process.start();
    }
    await until(() => isConnected(again));
    await until(async () => ((await machines(again)).every(({ connected }) => connected) ? true : undefined));
    expect(await machines(again)).toMatchObject([{ id: before.id }]);
    await until(async () => ((await again.json<{ waiting: boolean }>(['restore', 'status'])).waiting ? undefined : true));
    await replicatesOn(2);
    const after = await inVault();
    expect(after).toMatchObject({ id: before.id, generations: before.generations });
    expect(after.points).toBeGreaterThan(before.points);
  }, 600_000);
});
