import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@holdfast/protocol';
import { openLogWriter, readScrubRecord, recordFailover, recordRelease, registerMachine } from '@holdfast/vault';
import { type ScriptedAgent, type ScriptedAgentOptions, startScriptedAgent } from './conformance/scripted-agent.ts';
import { type ScriptedCut, ScriptedSource } from './conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from './conformance/server-site.ts';
import { verifyCuts } from './conformance/verify-cuts.ts';

const MIB = 1024 * 1024;

/** Each takes seconds; one that hangs does not keep the others waiting for long. */
jest.setTimeout(120_000);

let directory: string;
let site: ServerSite;
const agents: ScriptedAgent[] = [];

const startSite = async (sources: readonly ScriptedSource[], settings: Record<string, string> = {}): Promise<void> => {
  site = await createServerSite({ directory, settings: { 'upload.seal-interval': '20ms', ...settings } });
  site.assign(sources.map(({ machineId }) => machineId));
  await site.start();
  await until(() => site.lines.filter(({ message }) => message === 'A machine is assigned').length === sources.length);
};

const startAgent = async ({ machineId }: ScriptedSource, options: Partial<ScriptedAgentOptions> = {}): Promise<ScriptedAgent> => {
  const certified = await site.certificate(machineId);
  const agent = startScriptedAgent({ machineId, connect: () => site.connect(certified), ...options });
  agents.push(agent);
  return agent;
};

const addCuts = async (source: ScriptedSource, agent: ScriptedAgent, count: number, blocks = 100): Promise<ScriptedCut[]> => {
  const cuts: ScriptedCut[] = [];
  for (let round = 0; round < count; round += 1) {
    source.scribble(blocks);
    const cut = await source.cut();
    cuts.push(cut);
    agent.add(cut.content);
  }
  return cuts;
};

const verify = async (source: ScriptedSource, cuts: readonly ScriptedCut[]): Promise<string | undefined> => {
  const vault = await site.openVault();
  return verifyCuts(vault, source.machineId, source.diskId, cuts).finally(() => vault.close());
};

const health = async (): Promise<string> => (await fetch(`http://127.0.0.1:${site.httpPort}/healthz`)).text();

/** Looks until it is so; jest's own limit ends the wait. */
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await sleep(50);
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
  it('reads the vaults of its machines again, and says what has rotted in them', async () => {
    const source = new ScriptedSource({ size: 4 * MIB });
    site = await createServerSite({ directory });
    const vault = await site.openVault();
    await registerMachine(vault, { id: source.machineId, name: 'db1' });
    const writer = await openLogWriter(vault, source.machineId);
    source.scribble(100);
    await writer.append((await source.cut()).content);
    await writer.close();
    await vault.close();
    // The last bytes of a slot are of a frame.
    const slot = path.join(directory, 'vault/m', source.machineId, 'log/000000000001');
    const content = await readFile(slot);
    content[content.length - 20]! ^= 1;
    await chmod(slot, 0o600);
    await writeFile(slot, content);
    site.assign([source.machineId]);
    await site.start();
    const told = await site.line('The vault is damaged', true);
    expect(told).toMatchObject({ machine: source.machineId, diskId: source.diskId, points: 1, object: expect.stringContaining('/log/') });
    await until(async () => (await site.openVault().then((one) => readScrubRecord(one, source.machineId))).progress.findings.length === 1);
  });

  it('keeps cuts without frames, each told by one message, through a SIGKILL, and tells together what becomes durable together', async () => {
    const source = new ScriptedSource({ size: 4 * MIB });
    await startSite([source], { 'upload.idle-interval': '1h' });
    // From version 4 on it would hear of them some seconds later.
    const agent = await startAgent(source, { protocolVersion: 3 });
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    const idle = await addCuts(source, agent, 6, 0);
    await agent.until(() => agent.journaled.size === idle.length);
    const before = agent.said.length;
    await site.kill('SIGKILL');
    await site.start();
    await agent.until(() => agent.durable.size === cuts.length + idle.length);
    // The journal had them: nothing was sent, so nothing was journaled again.
    const said = agent.said.slice(before);
    expect(said).not.toContain('journaled');
    expect(said.filter((one) => one === 'durable').length).toBeLessThanOrEqual(1);
    expect(await verify(source, [...cuts, ...idle])).toBeUndefined();
  });

  it('makes cuts durable that the vault alone gives back, bit by bit', async () => {
    const source = new ScriptedSource({ size: 4 * MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 8);
    await agent.until(() => agent.durable.size === cuts.length);
    expect(await verify(source, cuts)).toBeUndefined();
    expect(await site.kill('SIGTERM')).toBe(0);

    // Negative control of the check: a disk that held something else is noticed.
    expect(await verify(source, [{ ...cuts[3]!, digest: cuts[2]!.digest }])).toMatch('differs');
    expect(await verify(source, [{ ...cuts[3]!, pointId: '0'.repeat(32) }])).toMatch('not in the vault');
    expect(await verify(source, [cuts[3]!, cuts[2]!])).toMatch('out of order');
  });

  it('loses nothing it called durable when it is killed at any moment, and goes on', async () => {
    const random = seeded(20_261_122);
    const sources = [new ScriptedSource({ size: 2 * MIB, random }), new ScriptedSource({ size: MIB, random })];
    await startSite(sources, { 'journal.quota': '64MiB', 'journal.segment': '8MiB' });
    const running = await Promise.all(sources.map((source) => startAgent(source)));
    const cuts: ScriptedCut[][] = sources.map(() => []);
    let making = true;
    const work = sources.map(async (source, index) => {
      while (making) {
        cuts[index]!.push(...(await addCuts(source, running[index]!, 1, 1 + Math.floor(random() * 400))));
        await running[index]!.until(() => !making || running[index]!.held.size < 6);
        // Several are always on their way; but every point is read back whole in the end.
        await sleep(25);
      }
    });
    for (let kill = 0; kill < 5; kill += 1) {
      const before = running[0]!.durable.size;
      await running[0]!.until(() => running[0]!.durable.size >= before + 2);
      await sleep(Math.floor(random() * 200));
      expect(await site.kill('SIGKILL')).toBe('SIGKILL');
      await site.start();
    }
    making = false;
    await Promise.all(work);
    for (const agent of running) await agent.until(() => agent.held.size === 0);
    for (const [index, source] of sources.entries()) {
      expect(cuts[index]!.length).toBeGreaterThan(8);
      expect(running[index]!.resyncs).toEqual([]);
      expect(await verify(source, cuts[index]!)).toBeUndefined();
    }
    expect(site.lines.filter(({ message }) => message.includes('damaged') || message.includes('given up'))).toEqual([]);
  });

  it('starts and works while the configuration server is away, with the assignments it had', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    await site.configuration.stop();
    await site.kill('SIGKILL');
    await site.start();
    cuts.push(...(await addCuts(source, agent, 2)));
    await agent.until(() => agent.durable.size === 3);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('refuses machines that are not assigned, and lets go of those that are not any more', async () => {
    const [source, other] = [new ScriptedSource({ size: MIB }), new ScriptedSource({ size: MIB })];
    await startSite([source]);
    const stranger = await startAgent(other);
    await stranger.until(() => stranger.errors.length > 0);
    expect(stranger.errors[0]).toMatchObject({ code: 'MACHINE_NOT_ASSIGNED' });
    const agent = await startAgent(source);
    await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    site.assign([other.machineId]);
    await agent.until(() => agent.errors.some(({ code }) => code === 'MACHINE_NOT_ASSIGNED' || code === 'CONNECTION_LOST'));
    await addCuts(other, stranger, 1);
    await stranger.until(() => stranger.durable.size === 1);
  });

  it('closes the live stream of a revoked certificate within five seconds', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const certified = await site.certificate(source.machineId);
    const agent = await startAgent(source, { connect: () => site.connect(certified) });
    await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    const begun = performance.now();
    site.assign([source.machineId], [certified.serial]);
    await agent.until(() => agent.errors.some(({ code }) => code === 'CERTIFICATE_REVOKED'));
    expect(performance.now() - begun).toBeLessThan(5000);
    // Another certificate of the same machine is welcome.
    const renewed = await startAgent(source);
    await renewed.until(() => renewed.opened !== undefined);
  });

  it('serves the newer of two streams of one machine', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const older = await startAgent(source, { pause: 3_600_000 });
    await older.until(() => older.opened !== undefined);
    const newer = await startAgent(source);
    await older.until(() => older.errors.length > 0);
    expect(older.errors[0]!.message).toMatch('the machine opened a newer one');
    const cuts = await addCuts(source, newer, 2);
    await newer.until(() => newer.durable.size === 2);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('tells a failed-over machine that it is fenced, and takes it again after the release', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    const operationId = newId();
    const vault = await site.openVault();
    await recordFailover(vault, source.machineId, { operationId, pointId: cuts[0]!.pointId });
    cuts.push(...(await addCuts(source, agent, 1)));
    await agent.until(() => agent.said.includes('fenced'));
    expect(agent.durable.size).toBe(1);
    await recordRelease(vault, source.machineId, { operationId });
    await vault.close();
    await agent.until(() => agent.durable.size === 2);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('notices that the vault is older than what the agent was told, and writes nothing', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    await addCuts(source, agent, 3);
    await agent.until(() => agent.durable.size === 3);
    const anchor = agent.anchor!;
    await agent.stop();
    await site.kill('SIGKILL');
    await rm(path.join(site.stateDirectory, 'anchors.json'), { force: true });
    const log = path.join(directory, 'vault', 'm', source.machineId, 'log');
    const newest = String(anchor.sequence).padStart(12, '0');
    await rename(path.join(log, newest), path.join(directory, newest));
    await site.start();
    const again = await startAgent(source, { anchor, seenTerm: anchor.term });
    await again.until(() => again.errors.length > 0);
    expect(again.errors[0]).toMatchObject({ code: 'VAULT_ROLLED_BACK' });
    expect(again.opened).toBeUndefined();
  });

  it('asks for a resynchronization of a disk whose epochs do not follow, and goes on with a new generation', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    source.scribble(5);
    await source.cut();
    const [lost] = await addCuts(source, agent, 1);
    await agent.until(() => agent.resyncs.length > 0);
    expect(agent.resyncs[0]).toMatch(/epoch 2 of generation .* came, and the vault has epoch 0/);
    agent.drop(lost!.cutId);
    source.startGeneration();
    cuts.push(...(await addCuts(source, agent, 1)));
    await agent.until(() => agent.durable.size === 2);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('goes on behind the frames of a cut that it has, over a broken connection and a kill', async () => {
    const source = new ScriptedSource({ size: 16 * MIB });
    await startSite([source], { 'replication.memory': '16MiB' });
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 1, 3500);
    let pieces = 0;
    while (agent.durable.size === 0 && pieces < 6) {
      await sleep(40);
      if (pieces % 2 === 0) agent.cut();
      else {
        await site.kill('SIGKILL');
        await site.start();
      }
      pieces += 1;
    }
    await agent.until(() => agent.durable.size === 1);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('waits for a vault that is away, tells what the store says, and recovers by itself', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source], { 'upload.retry-longest': '1s' });
    const agent = await startAgent(source);
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    const folder = path.join(directory, 'vault');
    await rename(folder, `${folder}-away`);
    cuts.push(...(await addCuts(source, agent, 2)));
    await agent.until(() => agent.journaled.size === 2);
    await until(async () => (await health()).includes('folder') || (await health()).includes(folder));
    expect(agent.durable.size).toBe(1);
    await rename(`${folder}-away`, folder);
    await agent.until(() => agent.durable.size === 3);
    expect(await verify(source, cuts)).toBeUndefined();
    await until(async () => (JSON.parse(await health()) as { ready: boolean }).ready);
  });

  it('slows agents down and stops them when the journal is full, and goes on by itself', async () => {
    const source = new ScriptedSource({ size: 16 * MIB, codec: 'raw' });
    await startSite([source], {
      'journal.quota': '64MiB',
      'journal.segment': '8MiB',
      'journal.patience': '2s',
      'replication.memory': '16MiB',
      'upload.retry-longest': '1s',
    });
    const agent = await startAgent(source, { pause: 1000 });
    const cuts = await addCuts(source, agent, 1);
    await agent.until(() => agent.durable.size === 1);
    const folder = path.join(directory, 'vault');
    await rename(folder, `${folder}-away`);
    for (let round = 0; round < 8; round += 1) cuts.push(...(await addCuts(source, agent, 1, 4000)));
    await agent.until(() => agent.pace > 0);
    await agent.until(() => agent.errors.some(({ code }) => code === 'JOURNAL_FULL'));
    expect(agent.held.size).toBe(8);
    await rename(`${folder}-away`, folder);
    await agent.until(() => agent.durable.size === 9);
    expect(await verify(source, cuts)).toBeUndefined();
  });

  it('reports to the configuration server', async () => {
    const source = new ScriptedSource({ size: MIB });
    await startSite([source]);
    const agent = await startAgent(source);
    await addCuts(source, agent, 2);
    await agent.until(() => agent.durable.size === 2);
    const stream = await site.configuration.servers.stream();
    expect(stream.hello.vaults).toEqual(['main']);
    const newest = agent.anchor!;
    const report = await stream.report(({ machines }) => machines[0]?.durableSequence === newest.sequence);
    expect(report.machines[0]).toMatchObject({ term: newest.term, pendingBytes: 0n });
    expect(report.machines[0]!.newestPointUnixMillis).toBeGreaterThan(0n);
    expect(report.journalQuotaBytes).toBeGreaterThan(0n);
    const metrics = await (await fetch(`http://127.0.0.1:${site.httpPort}/metrics`)).text();
    expect(metrics).toMatch(/holdfast_durable_cuts_total 2/);
  });
});
