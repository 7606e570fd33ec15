import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ScriptedAgent, startScriptedAgent } from './conformance/scripted-agent.ts';
import { type ScriptedCut, ScriptedSource } from './conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from './conformance/server-site.ts';
import { verifyCuts } from './conformance/verify-cuts.ts';

/*
 * A journal that is full: for long, because an agent is stopped only after half a minute without room.
 */

const run = promisify(execFile);
const MIB = 1024 * 1024;

let directory: string;
let site: ServerSite;
let mounted: string | undefined;
const agents: ScriptedAgent[] = [];

const startSite = async (sources: readonly ScriptedSource[], settings: Record<string, string>): Promise<void> => {
  site = await createServerSite({ directory, settings: { 'upload.seal-interval': '20ms', 'journal.segment': '8MiB', ...settings } });
  site.assign(sources.map(({ machineId }) => machineId));
  await site.start();
  while (site.lines.filter(({ message }) => message === 'A machine is assigned').length < sources.length) await sleep(50);
};

const startAgent = async ({ machineId }: ScriptedSource): Promise<ScriptedAgent> => {
  const certified = await site.certificate(machineId);
  const agent = startScriptedAgent({ machineId, connect: () => site.connect(certified), pause: 1000 });
  agents.push(agent);
  return agent;
};

/** The whole disk, as it is, not compressed. */
const wholeDisk = async (source: ScriptedSource): Promise<ScriptedCut> => {
  source.startGeneration();
  source.scribble(200);
  return source.cut();
};

const verify = async (source: ScriptedSource, cuts: readonly ScriptedCut[]): Promise<string | undefined> => {
  const vault = await site.openVault();
  return verifyCuts(vault, source.machineId, source.diskId, cuts).finally(() => vault.close());
};

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'full-disk-'));
});

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  await site.close();
  if (mounted !== undefined) await run('umount', [mounted]);
  mounted = undefined;
  await rm(directory, { recursive: true, force: true });
});

describe('a journal on a file system that is smaller than its quota', () => {
  it('paces agents, stops them with JOURNAL_FULL, and goes on by itself when the vault takes what is there', async () => {
    mounted = path.join(directory, 'small');
    await mkdir(mounted);
    await run('mount', ['-t', 'tmpfs', '-o', `size=${44 * MIB},mode=700`, 'tmpfs', mounted]);
    const source = new ScriptedSource({ size: 8 * MIB, codec: 'raw' });
    await startSite([source], {
      'journal.directory': path.join(mounted, 'journal'),
      'journal.quota': '8GiB',
      'replication.memory': '32MiB',
    });
    const agent = await startAgent(source);
    const cuts = [await wholeDisk(source)];
    agent.add(cuts[0]!.content);
    await agent.until(() => agent.durable.size === 1);

    const folder = path.join(directory, 'vault');
    await rename(folder, `${folder}-away`);
    for (let count = 0; count < 8; count += 1) {
      cuts.push(await wholeDisk(source));
      agent.add(cuts.at(-1)!.content);
    }
    await agent.until(() => agent.errors.some(({ code }) => code === 'JOURNAL_FULL'));
    // Nothing else ended a stream: no write failed, and the program is the one that was started.
    expect(new Set(agent.errors.map(({ code }) => code))).toEqual(new Set(['JOURNAL_FULL']));
    expect(agent.said).toContain('pace');
    const pid = site.pid;
    await rename(`${folder}-away`, folder);
    await agent.until(() => agent.durable.size === cuts.length);
    expect(site.pid).toBe(pid);
    expect(await verify(source, cuts)).toBeUndefined();
  }, 300_000);
});

describe('a journal', () => {
  it('takes a cut that fills it', async () => {
    const source = new ScriptedSource({ size: 38 * MIB, codec: 'raw' });
    await startSite([source], { 'journal.quota': '64MiB', 'replication.memory': '16MiB' });
    const agent = await startAgent(source);
    const cut = await wholeDisk(source);
    agent.add(cut.content);
    await agent.until(() => agent.durable.size === 1);
    expect(agent.errors).toEqual([]);
    expect(await verify(source, [cut])).toBeUndefined();
  }, 300_000);

  it('that is full of beginnings gives them up and takes one cut at a time, until each has come through, also beside small cuts that wait for more', async () => {
    const sources = [1, 2, 3].map(() => new ScriptedSource({ size: 32 * MIB, codec: 'raw' }));
    const small = new ScriptedSource({ size: MIB, codec: 'raw' });
    await startSite([...sources, small], { 'journal.quota': '64MiB', 'replication.memory': '16MiB', 'upload.seal-interval': '5s' });
    const cuts = await Promise.all(sources.map(wholeDisk));
    const each = await Promise.all(sources.map(startAgent));
    const other = await startAgent(small);
    small.startGeneration();
    let isOver = false;
    const writing = (async () => {
      for (; !isOver; await sleep(1000)) other.add((await small.cut()).content);
    })();
    for (const [index, agent] of each.entries()) agent.add(cuts[index]!.content);
    await Promise.all(each.map((agent) => agent.until(() => agent.durable.size === 1)));
    isOver = true;
    await writing;
    for (const [index, source] of sources.entries()) expect(await verify(source, [cuts[index]!])).toBeUndefined();
    // The control: they were in each other's way.
    expect(
      site.lines.some(({ message }) => message === 'Beginnings of cuts fill the journal: they are given up, and cuts come one at a time'),
    ).toBe(true);
  }, 300_000);
});
