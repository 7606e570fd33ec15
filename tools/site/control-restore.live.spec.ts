import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openStore } from '@holdfast/object-store';
import { createVault, openVault, readKeyFile, readMachine, writeKeyFile } from '@holdfast/vault';
import { createPerson, outputOf, type Person, runProcess } from './cli-process.ts';
import { mainOf } from './from-source.ts';
import type { ProgramProcess } from './program-process.ts';
import { type Servers, startServers } from './servers.ts';

const PASSPHRASE = 'four words make it';
const PASSWORD = 'correct horse battery';
/** Milliseconds, ten times what it takes. */
const PATIENCE = 100_000;
const MIB = 1024 * 1024;

let directory: string;
let servers: Servers;
let person: Person;
let agent: ProgramProcess;
let machine: string;
const at = (name: string): string => path.join(directory, name);
const vault = (): string => `file:${at('vault')}`;

const until = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  let last: unknown;
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const found = await ask().catch((reason: unknown) => {
      last = reason;
      return undefined;
    });
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it never came to be: ${what}; ${String(last)}`);
};

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hf-restore-'));
  const keyFile = at('vault.key');
  await (await createVault(await openStore(vault()), { name: 'office', keys: [await writeKeyFile(keyFile)] })).close();
  const settings = `backup: { passphrase: "${PASSPHRASE}", vault-pace: 1s }\nreconciliation: { settle: 0s }`;
  servers = await startServers({ directory: at('site'), vault: vault(), keyFile, settings });
  ({ person } = servers);
  await writeFile(at('disk.img'), Buffer.alloc(4 * MIB, 7));
  agent = await servers.startAgent({
    disks: { include: [at('disk.img')] },
    hrl: { quota: '64MiB', memory: '0B' },
    points: { interval: '1s' },
    sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
    report: { interval: '500ms' },
  });
  machine = await until('the machine', async () => (await person.json<{ name: string }[]>(['machine', 'list']))[0]?.name);
});
afterEach(async () => {
  await servers?.stop();
  await rm(directory, { recursive: true });
});

/** Backups that are in the vault whole. */
const backups = async (): Promise<string[]> =>
  (await readdir(at('vault/control/backups'), { recursive: true }).catch(() => [])).filter((name) => name.endsWith('end'));

/** What the vault knows of the one machine. */
const inVault = async () => {
  const opened = await openVault(await openStore(vault()), await readKeyFile(at('vault.key')));
  try {
    const [{ id } = { id: '' }] = await opened.machines();
    const { points, generations } = await readMachine(opened, id);
    return { id, points: points.length, generations: [...generations.values()].length, newest: points.at(-1)?.time ?? 0 };
  } finally {
    await opened.close();
  }
};

let fill = 0;
/** Changes the disk, and waits until a point after that is in the vault. */
const replicatesOn = async (): Promise<void> => {
  fill += 1;
  const file = await open(at('disk.img'), 'r+');
  await file.write(Buffer.alloc(4096, fill), 0, 4096, MIB);
  await file.sync();
  await file.close();
  const changed = Date.now();
  await until('a point with the change', async () => ((await inVault()).newest > changed ? true : undefined));
};

/** The server is killed, and its state is gone, with the token of its first administrator. */
const lose = async (): Promise<void> => {
  await servers.server.process.kill();
  await rm(at('site/cs/state'), { recursive: true });
};

const restore = async (...from: string[]): Promise<string> => {
  const restored = await runProcess(
    mainOf('configuration-server'),
    ['restore', ...from, '--config', at('site/cs/configuration-server.yaml')],
    { input: `${PASSPHRASE}\n` },
  );
  return outputOf('restore', restored);
};

/** Neither was started again, or joined again; it steers them as before. */
const goesOn = async (members: readonly (number | undefined)[]): Promise<void> => {
  const isConnected = async (noun: string): Promise<true | undefined> =>
    (await person.json<{ connected: boolean }[]>([noun, 'list'])).every(({ connected }) => connected) ? true : undefined;
  await until('the process server is connected', () => isConnected('server'));
  await until('the machine is connected', () => isConnected('machine'));
  await until('nothing is waited for', async () =>
    (await person.json<{ waiting: boolean }>(['restore', 'status'])).waiting ? undefined : true,
  );
  await replicatesOn();
  expect([servers.processServer.pid, agent.pid]).toEqual(members);
  expect(await person.json(['machine', 'point', machine, '--wait'])).toMatchObject({ state: 'succeeded' });
  const events = await person.json<{ code: string }[]>(['event', 'list', '--limit', '500']);
  expect(events.map(({ code }) => code).filter((code) => code.startsWith('resync'))).toEqual([]);
};

describe('a configuration server whose state is gone', () => {
  it('comes back out of the vault with people, policies and plans; who belongs to it is there without joining, and points go on', async () => {
    await person.json(['policy', 'create', 'gold', '--point-interval', '1s', '--retention', '15d']);
    await person.json(['protect', machine, '--vault', 'office', '--policy', 'gold', '--wait']);
    await person.json(['user', 'create', 'berta', '--role', 'operator'], { input: `${PASSWORD}\n` });
    const tool = (await person.run(['access', 'create', 'grafana', '--role', 'reader'])).stdout;
    await writeFile(at('plan.yaml'), `groups:\n  - name: all\n    machines: [${machine}]\n`);
    await person.json(['plan', 'create', 'shop', '--from', at('plan.yaml')]);
    const spent = await person.json<{ id: string }>(['token', 'create', '--role', 'agent']);
    await replicatesOn();
    const file = at('site.backup');
    outputOf('backup', await person.run(['backup', '--to', file]));
    await person.json(['policy', 'create', 'newest']);
    // One that is begun after another one had ended knows all that there was before that one ended.
    for (const policy of ['later', 'latest']) {
      const known = (await backups()).length;
      await person.json(['policy', 'create', policy]);
      await until('a backup in the vault', async () => ((await backups()).length > known ? true : undefined));
    }
    const members = [servers.processServer.pid, agent.pid];
    const before = await inVault();

    await lose();
    // Nobody needs it for that.
    await replicatesOn();
    expect(await restore('--from-vault', vault())).toContain('Members keep what they were told before');
    await servers.server.process.start();
    // Who was logged in with a token still is, and so are tools; people with passwords sign in anew.
    expect(await person.json(['whoami'])).toMatchObject({ role: 'administrator' });
    const where = ['login', '--server', servers.server.url, '--fingerprint', servers.server.fingerprint, '--name', 'here'];
    const [berta, grafana, root] = [createPerson(at('berta')), createPerson(at('grafana')), createPerson(at('root'))];
    // The token of the first administrator lay in the state that is gone.
    outputOf('login', await root.run(where, await readFile(at('site/cs/state/administrator.token'), 'utf8')));
    expect(await root.json(['whoami'])).toMatchObject({ name: 'administrator-restored', role: 'administrator' });
    outputOf('login', await berta.run([...where, '--user', 'berta'], `${PASSWORD}\n`));
    expect(await berta.json(['whoami'])).toMatchObject({ name: 'berta', role: 'operator' });
    outputOf('login', await grafana.run(where, tool));
    expect(await grafana.json(['whoami'])).toMatchObject({ name: 'grafana', role: 'reader' });
    const names = async (noun: string): Promise<string[]> =>
      (await person.json<{ name: string }[]>([noun, 'list'])).map(({ name }) => name);
    expect(await names('policy')).toEqual(expect.arrayContaining(['default', 'gold', 'newest']));
    expect([await names('user'), await names('plan')]).toEqual([['berta'], ['shop']]);
    const tools = await names('access');
    expect(tools).toEqual(expect.arrayContaining(['administrator-restored', 'grafana']));
    const tokens = await person.json<{ id: string }[]>(['token', 'list']);
    expect(tokens.map(({ id }) => id)).not.toContain(spent.id);
    await goesOn(members);
    expect(await person.json(['machine', 'show', machine])).toMatchObject({
      id: before.id,
      protection: { state: 'protected', vault: 'office', policy: { name: 'gold' } },
    });
    const after = await inVault();
    expect(after).toMatchObject({ id: before.id, generations: before.generations });
    expect(after.points).toBeGreaterThan(before.points);

    // Once more, out of the file, which is older: what was changed since is not in it, and the machines go on all the same.
    await lose();
    await restore('--from', file);
    await servers.server.process.start();
    await goesOn(members);
    expect(await names('policy')).not.toContain('newest');
    expect(await inVault()).toMatchObject({ id: before.id, generations: before.generations });
  }, 600_000);
});
