import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openStore } from '@holdfast/object-store';
import {
  checkMachine,
  createVault,
  type MachineHistory,
  openVault,
  openView,
  readKeyFile,
  readMachine,
  writeKeyFile,
} from '@holdfast/vault';
import { attachLoop, detachLoop } from '../lab/host/loop-devices.ts';
import { runTool } from '../lab/host/run-tool.ts';
import { until } from '../lab/host/until.ts';
import type { Person } from './cli-process.ts';
import { FROM_SOURCE } from './from-source.ts';
import { layOutTree } from './older-tree.ts';
import type { ProgramProcess } from './program-process.ts';
import { type Servers, startServers } from './servers.ts';

/** The last commit before records of journals had a turn and catalogues an ageing; another one by HOLDFAST_OLDER. */
const OLDER = process.env['HOLDFAST_OLDER'] ?? 'd4644ed';
/** Ten times what it takes. */
const PATIENCE = { seconds: 60, everyMilliseconds: 200 };
const DISK = 4 * 1024 * 1024;
/** More than cuts without changes take in a journal while they are gathered. */
const WRITE = 256 * 1024;

const VERSIONS = { older: 'older', newest: path.resolve(__dirname, '../..') };
/** Which version runs from the next start on: a link. */
const CURRENT = 'current';

let directory: string;
let memory: string;
let disks: string[];
let servers: Servers;
let person: Person;
let agent: ProgramProcess;
let machine: { readonly id: string; readonly name: string };
/** By point, what the disks held when it was made. */
let remembered: Map<string, string[]>;
let writes: number;

const at = (name: string): string => path.join(directory, name);

const use = async (version: keyof typeof VERSIONS): Promise<void> => {
  await symlink(VERSIONS[version], at('next'));
  await rename(at('next'), at(CURRENT));
};

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hf-older-'));
  memory = await mkdtemp('/dev/shm/hf-older-');
  disks = [];
  remembered = new Map();
  writes = 0;
  await layOutTree(OLDER, at('older'));
  await writeKeyFile(at('key'));
  await (await createVault(await openStore(`file:${at('vault')}`), { name: 'office', keys: [await readKeyFile(at('key'))] })).close();
  for (const name of ['one.img', 'two.img']) {
    await writeFile(at(name), randomBytes(DISK));
    disks.push(await attachLoop(at(name)));
  }
});
afterEach(async () => {
  await servers?.stop();
  if (machine !== undefined) await rmdir(`/sys/kernel/tracing/instances/holdfast-${machine.id}`);
  for (const disk of disks) await detachLoop(disk);
  for (const left of [memory, directory]) await rm(left, { recursive: true });
});

const startSite = async (): Promise<void> => {
  servers = await startServers({ directory: at('site'), vault: `file:${at('vault')}`, keyFile: at('key'), root: at(CURRENT) });
  ({ person } = servers);
  agent = await servers.startAgent({
    disks: { include: disks },
    hrl: { quota: '64MiB', memory: '0B' },
    trace: { 'memory-directory': memory },
    points: { interval: '1s' },
    sender: { 'retry-first': '100ms', 'retry-longest': '1s', 'retry-refused': '1s' },
    report: { interval: '500ms' },
  });
  const found = async () => (await person.json<(typeof machine)[]>(['machine', 'list']))[0];
  await until('the machine', async () => (await found()) !== undefined, PATIENCE);
  machine = (await found())!;
  await person.json(['protect', machine.name, '--vault', 'office', '--wait']);
};

/** What this version finds in the vault, whoever wrote it. */
const withHistory = async <T>(work: (history: MachineHistory) => Promise<T>): Promise<T> => {
  const vault = await openVault(await openStore(`file:${at('vault')}`), await readKeyFile(at('key')));
  try {
    return await work(await readMachine(vault, machine.id));
  } finally {
    await vault.close();
  }
};

/** Contents of disks, in an order that does not hang on their ids. */
const inOrder = (contents: readonly Buffer[]): string[] => contents.map((content) => content.toString('base64')).toSorted();

const onDisks = async (): Promise<string[]> => inOrder(await Promise.all(['one.img', 'two.img'].map((name) => readFile(at(name)))));

const inPoint = async (history: MachineHistory, id: string): Promise<string[]> => {
  const { members } = history.points.find((point) => point.id === id)!.point;
  const read = members.map(async ({ diskId }) => {
    const view = await openView(history, id, Buffer.from(diskId).toString('hex'));
    const content = Buffer.alloc(view.size);
    await view.read(0, content);
    await view.close();
    return content;
  });
  return inOrder(await Promise.all(read));
};

const write = async (): Promise<void> => {
  for (const disk of disks) {
    const file = await open(disk, 'r+');
    await file.write(randomBytes(WRITE), 0, WRITE, (writes * WRITE) % DISK);
    await file.sync();
    await file.close();
  }
  writes += 1;
};

/** Waits for a point in which the disks are as they are now, and remembers it. */
const isInVault = async (): Promise<void> => {
  const now = await onDisks();
  const look = (): Promise<boolean> =>
    withHistory(async (history) => {
      const { id } = history.points.at(-1) ?? {};
      if (id === undefined || JSON.stringify(await inPoint(history, id)) !== JSON.stringify(now)) return false;
      remembered.set(id, now);
      return true;
    });
  await until('a point of what was written', look, PATIENCE);
};

const replicates = async (): Promise<void> => {
  await write();
  await isInVault();
};

/** All that was remembered is there as it was, and nothing is found wrong. */
const isWhole = (): Promise<void> =>
  withHistory(async (history) => {
    for (const [id, expected] of remembered) expect((await inPoint(history, id)).join() === expected.join()).toBe(true);
    expect((await checkMachine(history)).findings).toEqual([]);
  });

const generations = (): Promise<string[]> => withHistory(async (history) => [...history.generations.keys()]);

/** What the configuration server heard last of the bytes in journals. */
const journaled = async (): Promise<number> =>
  (await person.json<{ pending: { processServer: number } }>(['machine', 'show', machine.name])).pending.processServer;

/** Leaves what is written in the journal of a process server that is killed then: the vault was away. */
const leaveInJournal = async (): Promise<void> => {
  await until('an empty journal', async () => (await journaled()) < WRITE, PATIENCE);
  await rename(at('vault'), at('away'));
  await write();
  await until('what was written in the journal', async () => (await journaled()) >= disks.length * WRITE, PATIENCE);
  await servers.processServer.kill();
  await rename(at('away'), at('vault'));
};

/** The same, and then the agent that could send it again is away: the process server that is started next has its journal alone. */
const goesOnFromJournal = async (version: keyof typeof VERSIONS): Promise<void> => {
  await leaveInJournal();
  await agent.stop();
  await use(version);
  await servers.processServer.start();
  await isInVault();
  await agent.start();
  await replicates();
};

/** Has all of the log in the catalogue, and looks after it, as a keeper and a writer of the version that is told do after a while. */
const KEEP = `
  const [root, folder, key, machine, keep] = process.argv.slice(1);
  const { openVault, openLogWriter, keepMachine, readKeyFile, readMachine } = await import(root + '/packages/vault/src/index.ts');
  const { openStore } = await import(root + '/packages/object-store/src/index.ts');
  const vault = await openVault(await openStore('file:' + folder), await readKeyFile(key));
  const newest = async () => (await readMachine(vault, machine)).catalogue;
  const before = (await newest())?.version;
  const writer = await openLogWriter(vault, machine, { checkpoint: { slots: 1 } });
  while ((await newest())?.version === before) await new Promise((resolve) => setTimeout(resolve, 50));
  await writer.close();
  const policy = { rules: [{ every: 0, until: 1000 }], atLeast: 3 };
  const { compactions, thinned } = await keepMachine(vault, machine, { policy, keep: JSON.parse(keep), thinAtOnce: 1, minCuts: 1, grace: 0 });
  console.log(JSON.stringify({ compactions, thinned }));
  process.exit(0);
`;

/** What a keeper of a version did that forgets what is older than a second, but for points that are remembered; and the marks of ageing after that. */
const keep = async (version: keyof typeof VERSIONS): Promise<{ thinned: number; marks: number }> => {
  await servers.processServer.stop();
  const root = path.resolve(directory, VERSIONS[version]);
  const args = [root, at('vault'), at('key'), machine.id, JSON.stringify([...remembered.keys()])];
  const { stdout } = await runTool(process.execPath, [...FROM_SOURCE, '--input-type=module', '--eval', KEEP, ...args]);
  const { compactions, thinned } = JSON.parse(stdout) as { compactions: number; thinned: number };
  expect(compactions).toBeGreaterThan(0);
  const marks = await withHistory(async ({ catalogue }) => catalogue!.catalogue.ageing?.marks.length ?? 0);
  await servers.processServer.start();
  await replicates();
  await isWhole();
  return { thinned, marks };
};

const upgrade = async (program: ProgramProcess): Promise<void> => {
  await program.stop();
  await program.start();
  await replicates();
};

describe('a site that an older version set up', () => {
  it('goes on with the newest, program by program, with the older one again, and with the newest once more', async () => {
    await use('older');
    await startSite();
    await replicates();
    expect(await keep('older')).toMatchObject({ marks: 0 });
    // A journal of several runs.
    await leaveInJournal();
    await servers.processServer.start();
    await replicates();
    const before = await generations();

    await goesOnFromJournal('newest');
    // What is in there for long and what is not cannot be told apart yet.
    expect(await keep('newest')).toEqual({ thinned: 0, marks: 1 });
    await upgrade(servers.server.process);
    await upgrade(agent);
    await goesOnFromJournal('newest');
    const kept = await keep('newest');
    expect(kept.thinned).toBeGreaterThan(0);
    expect(kept.marks).toBe(2);
    // None is new; those that thinning forgot are gone.
    expect(before).toEqual(expect.arrayContaining(await generations()));

    // What the older server cannot read of the journal (records of a later run in the same segment) the agent has still.
    await leaveInJournal();
    await servers.processServer.start();
    await leaveInJournal();
    await use('older');
    await servers.processServer.start();
    await replicates();
    // Its keeper hands on what it does not know.
    expect(await keep('older')).toMatchObject({ marks: 2 });
    await upgrade(agent);
    await upgrade(servers.server.process);
    const after = await generations();

    await goesOnFromJournal('newest');
    await upgrade(servers.server.process);
    await upgrade(agent);
    expect((await keep('newest')).marks).toBe(3);
    expect(after).toEqual(expect.arrayContaining(await generations()));
  }, 600_000);
});
