import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPerson, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
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

const startServer = async (name: string): Promise<ConfigurationServer> => {
  const settings = `backup: { passphrase: "${PASSPHRASE}", vault-pace: 1s }\nreconciliation: { settle: 0s }`;
  const server = await startConfigurationServer({ directory: path.join(directory, name), settings });
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

/** A process server with a vault in a folder, joined and connected. */
const startGateway = async (
  server: ConfigurationServer,
  person: Person,
): Promise<{ readonly config: string; readonly process: ProgramProcess }> => {
  const folder = path.join(directory, 'vault');
  const keyFile = path.join(directory, 'vault.key');
  await mkdir(folder);
  await person.json([
    ...['vault', 'create', '--store', `file:${folder}`, '--name', 'office'],
    ...['--new-key-file', keyFile, '--recovery-kit', path.join(directory, 'kit.txt')],
  ]);
  const hardware = path.join(directory, 'hardware.json');
  await writeFile(hardware, JSON.stringify({ productUuid: 'gateway', productSerial: '', macAddresses: [], machineId: '' }));
  const { config, logFile } = writeSettings(directory, 'gateway', {
    http: { listen: '127.0.0.1:0' },
    identity: { 'hardware-file': hardware },
    replication: { listen: '127.0.0.1:0' },
    journal: { quota: '64MiB' },
    vaults: { office: { url: `file:${folder}`, 'key-file': keyFile } },
  });
  const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', 'process-server']);
  const where = ['--server', `127.0.0.1:${server.port}`, '--fingerprint', server.fingerprint];
  const joined = await runProcess(mainOf('process-server'), ['join', ...where, '--config', config], { input: `${secret}\n` });
  if (joined.status !== 0) throw new Error(joined.stderr);
  const process = createProgramProcess({ name: 'holdfast-process-server', main: mainOf('process-server'), config, logFile });
  running.push(process);
  await process.start();
  return { config, process };
};

const isConnected = async (person: Person): Promise<true | undefined> =>
  (await person.json<{ connected: boolean }[]>(['server', 'list']))[0]?.connected === true ? true : undefined;

describe('the life of a configuration server', () => {
  it('goes on elsewhere out of the vault when it is lost: a process server put its backup there, and finds the new one', async () => {
    const old = await startServer('old');
    const person = await logIn(old, 'old');
    const gateway = await startGateway(old, person);
    await until(() => isConnected(person));
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
    // One that knows of the policy, by its state's next change.
    const known = backups.length;
    await person.json(['policy', 'create', 'silver']);
    await until(async () => ((await ends()).length > known ? true : undefined));
    await old.process.kill();

    const state = path.join(directory, 'new', 'state');
    const restore = ['restore', '--from-vault', `file:${path.join(directory, 'vault')}`, '--state.directory', state];
    const refused = await runProcess(mainOf('configuration-server'), restore, { input: 'another passphrase\n' });
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('[SIGN_IN_NEEDED]') });
    const restored = await runProcess(mainOf('configuration-server'), restore, { input: `${PASSPHRASE}\n` });
    expect(restored).toMatchObject({ status: 0, stderr: '' });
    await cp(path.join(directory, 'old', 'state', 'administrator.token'), path.join(state, 'administrator.token'));
    const fresh = await startServer('new');
    expect(fresh.fingerprint).toBe(old.fingerprint);
    const again = await logIn(fresh, 'new');
    expect(await again.json(['restore', 'status'])).toMatchObject({ waiting: true, from: 'backup' });
    const policies = await again.json<{ name: string }[]>(['policy', 'list']);
    expect(policies.map(({ name }) => name)).toEqual(expect.arrayContaining(['default', 'gold', 'silver']));

    // It is at another port, which nobody could tell the process server: it is pointed out there, and needs no restart.
    const elsewhere = ['use-server', '--server', `127.0.0.1:${fresh.port}`, '--config', gateway.config];
    expect(await runProcess(mainOf('process-server'), elsewhere)).toMatchObject({ status: 0, stderr: '' });
    await until(() => isConnected(again));
    // It read its vaults and told what they say, so that nothing is missing: the wait ends by itself.
    const settled = await until(async () => {
      const now = await again.json<{ waiting: boolean; backups: { put?: string }[] }>(['restore', 'status']);
      return now.waiting || now.backups[0]?.put === undefined ? undefined : now;
    });
    expect(settled.waiting).toBe(false);
  }, 300_000);

  it('begins anew out of the vault alone when there is no backup either: what is there joins again', async () => {
    const old = await startServer('old');
    const person = await logIn(old, 'old');
    const gateway = await startGateway(old, person);
    await until(() => isConnected(person));
    await old.process.kill();

    const state = path.join(directory, 'new', 'state');
    const place = ['--from-vault', `file:${path.join(directory, 'vault')}`, '--key-file', path.join(directory, 'vault.key')];
    const rebuild = ['rebuild', ...place, '--state.directory', state];
    const rebuilt = await runProcess(mainOf('configuration-server'), rebuild);
    expect(rebuilt).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('knows 0 machines') });
    expect(await runProcess(mainOf('configuration-server'), rebuild)).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[OBJECT_EXISTS]'),
    });
    const fresh = await startServer('new');
    expect(fresh.fingerprint).not.toBe(old.fingerprint);
    const again = await logIn(fresh, 'new');
    const { secret } = await again.json<{ secret: string }>(['token', 'create', '--role', 'process-server']);
    // The authority is another one: pointing it out is refused, joining anew is the way; the program that runs takes that up.
    const elsewhere = ['use-server', '--server', `127.0.0.1:${fresh.port}`, '--config', gateway.config];
    expect(await runProcess(mainOf('process-server'), elsewhere)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('[CERTIFICATE_UNTRUSTED]'),
    });
    await gateway.process.stop();
    const where = ['--server', `127.0.0.1:${fresh.port}`, '--fingerprint', fresh.fingerprint];
    expect(
      await runProcess(mainOf('process-server'), ['join', ...where, '--config', gateway.config], { input: `${secret}\n` }),
    ).toMatchObject({ status: 0 });
    await gateway.process.start();
    await until(() => isConnected(again));
    await until(async () => ((await again.json<{ waiting: boolean }>(['restore', 'status'])).waiting ? undefined : true));
  }, 300_000);
});
