import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ScriptedAgent, startScriptedAgent } from './conformance/scripted-agent.ts';
import { type ScriptedCut, ScriptedSource } from './conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from './conformance/server-site.ts';
import { verifyCuts } from './conformance/verify-cuts.ts';

const MIB = 1024 * 1024;

let directory: string;
let site: ServerSite;
const agents: ScriptedAgent[] = [];

const openSite = async (settings: Record<string, string> = {}): Promise<ServerSite> => {
  site = await createServerSite({ directory, settings });
  return site;
};

const startAgent = async ({ machineId }: ScriptedSource): Promise<ScriptedAgent> => {
  const certified = await site.certificate(machineId);
  const agent = startScriptedAgent({ machineId, connect: () => site.connect(certified) });
  agents.push(agent);
  return agent;
};

const verify = async (source: ScriptedSource, cuts: readonly ScriptedCut[]): Promise<string | undefined> => {
  const vault = await site.openVault();
  return verifyCuts(vault, source.machineId, source.diskId, cuts).finally(() => vault.close());
};

/** Numbers in [0, 1), the same for the same seed. */
const seeded = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'process-server-'));
});

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  await site.close();
  await rm(directory, { recursive: true, force: true });
});

describe('a process server', () => {
  it('makes cuts durable that the vault alone gives back, bit by bit', async () => {
    const source = new ScriptedSource({ size: 16 * MIB });
    await openSite();
    await site.assign([source.machineId]);
    await site.start();
    const agent = await startAgent(source);
    const cuts: ScriptedCut[] = [];
    for (let round = 0; round < 8; round += 1) {
      source.scribble(200);
      const cut = await source.cut();
      cuts.push(cut);
      agent.add(cut.content);
    }
    await agent.until(() => agent.durable.size === cuts.length);
    expect(await verify(source, cuts)).toBeUndefined();
    expect(agent.errors).toEqual([]);
    expect(await site.kill('SIGTERM')).toBe(0);

    // Negative control of the check: a disk that held something else is noticed.
    const wrong = { ...cuts[3]!, digest: cuts[2]!.digest };
    expect(await verify(source, [wrong])).toMatch('differs');
    expect(await verify(source, [{ ...cuts[3]!, pointId: '0'.repeat(32) }])).toMatch('not in the vault');
    expect(await verify(source, [cuts[3]!, cuts[2]!])).toMatch('out of order');
  });

  it('loses nothing it called durable when it is killed at any moment, and goes on', async () => {
    const random = seeded(20_261_122);
    const sources = [new ScriptedSource({ size: 16 * MIB, random }), new ScriptedSource({ size: 4 * MIB, random })];
    await openSite({ 'upload.seal-interval': '50ms', 'journal.quota': '64MiB', 'journal.segment': '8MiB' });
    await site.assign(sources.map(({ machineId }) => machineId));
    await site.start();
    const running = await Promise.all(sources.map(startAgent));
    const cuts: ScriptedCut[][] = sources.map(() => []);
    let making = true;
    const work = sources.map(async (source, index) => {
      while (making) {
        source.scribble(1 + Math.floor(random() * 600));
        const cut = await source.cut();
        cuts[index]!.push(cut);
        running[index]!.add(cut.content);
        await running[index]!.until(() => !making || running[index]!.held.size < 6);
      }
    });
    for (let kill = 0; kill < 8; kill += 1) {
      const before = running[0]!.durable.size;
      await running[0]!.until(() => running[0]!.durable.size >= before + 2);
      await sleep(Math.floor(random() * 200));
      expect(await site.kill('SIGKILL')).toBe('SIGKILL');
      await site.start();
    }
    making = false;
    for (const agent of running) await agent.until(() => agent.held.size === 0);
    await Promise.all(work);
    for (const [index, source] of sources.entries()) {
      expect(cuts[index]!.length).toBeGreaterThan(4);
      expect(running[index]!.resyncs).toEqual([]);
      expect(await verify(source, cuts[index]!)).toBeUndefined();
    }
    if (process.env['SHOW'])
      process.stderr.write(
        JSON.stringify(
          running.map((a) => a.errors.map((e) => `${e.message.slice(0, 200)}`)),
          null,
          1,
        ),
      );
    if (process.env['SHOW'] === '2') for (const l of site.lines) process.stderr.write(`${JSON.stringify(l).slice(0, 260)}\n`);
    expect(site.lines.filter(({ message }) => message.includes('damaged') || message.includes('given up'))).toEqual([]);
  });
});
