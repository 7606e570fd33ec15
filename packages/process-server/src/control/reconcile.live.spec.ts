import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { idBytes, idText, newId, type ServerReport } from '@holdfast/protocol';
import { readMachine, recordFailover } from '@holdfast/vault';
import { type ScriptedAgent, startScriptedAgent } from '../conformance/scripted-agent.ts';
import { ScriptedSource } from '../conformance/scripted-source.ts';
import { createServerSite, type ServerSite } from '../conformance/server-site.ts';

const MIB = 1024 * 1024;

let directory: string;
let site: ServerSite;
const agents: ScriptedAgent[] = [];
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'process-server-'));
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  await site.close();
  await rm(directory, { recursive: true, force: true });
});

const startAgent = async ({ machineId }: ScriptedSource): Promise<ScriptedAgent> => {
  const certified = await site.certificate(machineId);
  const agent = startScriptedAgent({ machineId, connect: () => site.connect(certified) });
  agents.push(agent);
  return agent;
};

const addCut = async (source: ScriptedSource, agent: ScriptedAgent): Promise<string> => {
  source.scribble(50);
  const cut = await source.cut();
  agent.add(cut.content);
  return cut.pointId;
};

/** The first report that fits, over as many connections as it takes. */
const reportOf = async (fits: (report: ServerReport) => boolean): Promise<ServerReport> => {
  for (;;) {
    const stream = await site.configuration.servers.stream();
    const report = await stream.report(fits).catch(() => undefined);
    if (report !== undefined) return report;
  }
};

describe('a process server whose configuration server lost its state', () => {
  it('lets nothing of a machine that was failed over into the vault, whoever comes back first, and keeps what it was told', async () => {
    const [source, other] = [new ScriptedSource({ size: MIB }), new ScriptedSource({ size: MIB })];
    site = await createServerSite({ directory, settings: { 'upload.seal-interval': '20ms' } });
    site.assign([source.machineId, other.machineId]);
    await site.start();
    const [first, bystander] = [await startAgent(source), await startAgent(other)];
    const pointId = await addCut(source, first);
    await addCut(other, bystander);
    await first.until(() => first.durable.size === 1);
    await bystander.until(() => bystander.durable.size === 1);
    await first.stop();

    // Failed over, not committed; then the state of the configuration server is lost, and this server dies too.
    const vault = await site.openVault();
    const operationId = newId();
    await recordFailover(vault, source.machineId, { operationId, pointId });
    const points = async (): Promise<number> => (await readMachine(vault, source.machineId)).points.length;
    await site.configuration.stop();
    await site.kill('SIGKILL');
    await site.start();

    // The old source comes back first, with its old certificate and what it was told last.
    const back = await startAgent(source);
    await addCut(source, back);
    await back.until(() => back.said.includes('fenced'));
    await addCut(other, bystander);
    await bystander.until(() => bystander.durable.size === 2);
    expect([back.durable.size, await points()]).toEqual([0, 1]);

    // A configuration server that was restored knows of neither: what was in force stays so, and it is told.
    site.configuration.servers.setState(site.serverId, { revision: 1n, reconciling: true, revokedSerials: [Uint8Array.of(0xab)] });
    await site.configuration.start();
    const report = await reportOf(({ vaultsRead }) => vaultsRead.length > 0);
    expect(report.held.map(({ machineId, vault: name }) => [idText(machineId), name]).toSorted()).toEqual(
      [source, other].map(({ machineId }) => [machineId, 'main']).toSorted(),
    );
    const line = report.lines.find(({ machineId }) => idText(machineId) === source.machineId)!;
    expect(line).toMatchObject({
      vault: 'main',
      problemCode: '',
      failoverOperationId: idBytes(operationId),
      failoverPointId: idBytes(pointId),
    });
    expect(line.term).toBeGreaterThan(0n);
    expect(report.lines.find(({ machineId }) => idText(machineId) === other.machineId)!.failoverOperationId).toHaveLength(0);
    expect(report.heldRevokedSerials.map((serial) => Buffer.from(serial).toString('hex'))).toContain('ab');
    await addCut(other, bystander);
    await bystander.until(() => bystander.durable.size === 3);
    // It stays so over a restart, and nothing is thinned by what was in force before.
    const kept = JSON.parse(await readFile(path.join(site.stateDirectory, 'assignments.json'), 'utf8')) as Record<string, unknown>;
    expect(kept).toMatchObject({ reconciling: true, machines: { length: 2 } });

    // Told again what is wanted: that counts from then on.
    site.configuration.servers.setState(site.serverId, {
      revision: 2n,
      assignments: [{ machineId: idBytes(other.machineId), machineName: 'other', vault: 'main' }],
    });
    await back.until(() => back.errors.some(({ code }) => code === 'MACHINE_NOT_ASSIGNED'));
    expect([back.durable.size, await points()]).toEqual([0, 1]);
    await vault.close();
  });
});
