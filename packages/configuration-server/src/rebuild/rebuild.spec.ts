import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createMemoryStore } from '@holdfast/object-store';
import {
  BackupService,
  CutSchema,
  EpochSchema,
  GenerationReason,
  GenerationSchema,
  idBytes,
  MachineService,
  ManifestSchema,
  newId,
  Origin,
  PointKind,
  PointSchema,
  ProtectionService,
  ProtectionState,
} from '@holdfast/protocol';
import { createVault, openLogWriter, readMachine, recordFailover, registerMachine, type Vault } from '@holdfast/vault';
import { connectAgent, connectServer, manifestOf } from '../conformance/test-member.ts';
import { endTestServers, enrolMember, startTestServer, type TestServer } from '../conformance/test-server.ts';
import { find, listAll } from '../records/kind.ts';
import { anchors, protections } from '../records/kinds.ts';
import { openLevelStore } from '../state/level-store.ts';
import { rebuild } from './rebuild.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;
const CHEAP = { logN: 14, r: 8, p: 1 };
const DAY = 24 * 3_600_000;
const LIMITS = { events: 1000, audit: 1000, changes: 1000 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-rebuild-'));
});
afterEach(async () => {
  await endTestServers();
  await rm(directory, { recursive: true, force: true });
});

/** A machine with one point of an empty disk. Gives the point's id. */
const fill = async (vault: Vault, machineId: string, name: string, mac: string, time: number): Promise<string> => {
  const [disk, generation, cutId, pointId] = [newId(), newId(), newId(), newId()];
  const instant = { unixNanos: BigInt(time) * 1_000_000n };
  const manifest = create(ManifestSchema, {
    id: idBytes(newId()),
    machineId: idBytes(machineId),
    machineName: name,
    disks: [{ id: idBytes(disk), name: 'sda', size: 4096n }],
    networkInterfaces: [{ name: 'eno1', mac }],
  });
  const cut = create(CutSchema, {
    id: idBytes(cutId),
    machineId: idBytes(machineId),
    manifest,
    epochs: [
      create(EpochSchema, {
        diskId: idBytes(disk),
        generationId: idBytes(generation),
        cutId: idBytes(cutId),
        diskSize: 4096n,
        instant,
        contentDigest: createHash('sha256').digest(),
      }),
    ],
    generations: [
      create(GenerationSchema, {
        id: idBytes(generation),
        diskId: idBytes(disk),
        reason: GenerationReason.FIRST_COPY,
        origin: Origin.SOURCE,
      }),
    ],
    point: create(PointSchema, {
      id: idBytes(pointId),
      cutId: idBytes(cutId),
      kind: PointKind.CRASH,
      instant,
      members: [{ diskId: idBytes(disk), epoch: { generationId: idBytes(generation), number: 0n } }],
      manifestId: manifest.id,
    }),
  });
  await registerMachine(vault, { id: machineId, name });
  const writer = await openLogWriter(vault, machineId);
  await writer.append({ cut, frames: async function* () {} });
  await writer.close();
  return pointId;
};

const start = async (place: string): Promise<TestServer> => startTestServer({ 'reconciliation.settle': '0s' }, place);

describe('a server rebuilt from a vault, without any backup', () => {
  it('knows its machines again, and one that was failed over and comes back first replicates nothing', async () => {
    const vault = await createVault(createMemoryStore(), {
      name: 'office',
      keys: [{ kind: 'passphrase', passphrase: 'words', cost: CHEAP }],
    });
    const [web, db, old] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [string, string, string];
    const now = Date.now();
    const pointId = await fill(vault, web, 'web1', '52:54:00:00:00:01', now - 1000);
    await fill(vault, db, 'db1', '52:54:00:00:00:02', now - 5000);
    await fill(vault, old, 'old', '52:54:00:00:00:03', now - 40 * DAY);
    const operationId = newId();
    await recordFailover(vault, web, { operationId, pointId });
    const place = path.join(directory, 'new');
    const machines = await rebuild({ vaults: [{ name: 'office', vault }], stateDirectory: place, log: silent });
    expect(machines.map(({ name, state, points }) => [name, state, points])).toEqual([
      ['web1', 'failed over', 1],
      ['db1', 'protected', 1],
      ['old', 'not protected', 1],
    ]);
    expect((await readFile(path.join(place, 'administrator.token'), 'utf8')).trim()).toHaveLength(43);
    await expect(rebuild({ vaults: [], stateDirectory: place, log: silent })).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });

    const server = await start(place);
    const hardware = (mac: string, productUuid: string) => ({ productUuid, productSerial: '', macAddresses: [mac], machineId: '' });
    // The old source comes back first.
    const source = await enrolMember(server, 'agent', 'web1', { hardware: hardware('52:54:00:00:00:01', 'x') as never });
    expect(source.id).toBe(web);
    const stream = connectAgent(server, source, 'web1', { hardware: hardware('52:54:00:00:00:01', 'x'), manifest: manifestOf(web) });
    expect(await stream.until(() => true)).toMatchObject({ reconciling: true });
    expect(stream.states[0]!.protection).toBeUndefined();
    const gateway = await enrolMember(server, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
    const taking = connectServer(server, gateway);
    expect(await taking.until(() => true)).toMatchObject({ reconciling: true, assignments: [] });
    const line = (machineId: string, more: object = {}) => ({
      machineId: idBytes(machineId),
      vault: 'office',
      term: 5n,
      newestPointUnixMillis: 1n,
      ...more,
    });
    taking.report({
      lines: [line(web, { failoverOperationId: idBytes(operationId), failoverPointId: idBytes(pointId) }), line(db), line(old)],
      vaultsRead: ['office'],
    });
    // Nothing is missing now: it ends by itself. The source is told nothing that it could send to.
    const told = await stream.until(({ reconciling }) => !reconciling);
    expect(told.protection?.processServers ?? []).toEqual([]);
    const { protections } = await server.api(ProtectionService).listProtections({});
    const states = Object.fromEntries(protections.map(({ machineId, state }) => [machineId, state]));
    expect(states).toEqual({ [web]: ProtectionState.FAILED_OVER, [db]: ProtectionState.PROTECTED });
    // The other one goes on, at the process server there is, above the terms of the vault.
    const { assignments } = await taking.until((state) => state.assignments.length > 0);
    expect(assignments).toMatchObject([{ machineName: 'db1', vault: 'office', seenTerm: 5n }]);
    expect((await server.api(MachineService).listMachines({})).machines.map(({ name }) => name).toSorted()).toEqual(['db1', 'old', 'web1']);
    expect(await server.api(BackupService).getReconciliation({})).toMatchObject({ waiting: false, from: 'vault' });
    // And whoever writes to the vault all the same is fenced there.
    await expect(openLogWriter(vault, web)).rejects.toMatchObject({ code: 'FENCED' });
    await stream.close();
  }, 60_000);

  it('goes on with what a process server receives that kept its state and joined anew', async () => {
    const keys = [{ kind: 'passphrase', passphrase: 'words', cost: CHEAP }] as const;
    const vault = await createVault(createMemoryStore(), { name: 'office', keys: [...keys] });
    const web = 'a'.repeat(32);
    await fill(vault, web, 'web1', '52:54:00:00:00:01', Date.now());
    const place = path.join(directory, 'new');
    await rebuild({ vaults: [{ name: 'office', vault }], stateDirectory: place, log: silent });
    const server = await start(place);
    const gateway = await enrolMember(server, 'process-server', 'gw', { endpoints: ['127.0.0.1:9443'] });
    const taking = connectServer(server, gateway);
    expect(await taking.until(() => true)).toMatchObject({ reconciling: true, assignments: [] });
    const known = { machineId: idBytes(web), machineName: 'web1', vault: 'office' };
    taking.report({
      held: [{ ...known, seenTerm: 3n, retention: '72h' }],
      lines: [{ ...known, term: 5n, newestPointUnixMillis: 1n }],
      vaultsRead: ['office'],
    });
    const { assignments } = await taking.until(({ reconciling }) => !reconciling);
    expect(assignments).toMatchObject([{ machineName: 'web1', vault: 'office', seenTerm: 5n }]);
    const { protections: found } = await server.api(ProtectionService).listProtections({});
    expect(found).toMatchObject([{ machineId: web, processServerId: gateway.id }]);
    await taking.close();
  }, 60_000);

  it('takes a machine for what the vault with its newest point says, and its term above those of all', async () => {
    const [before, since] = await Promise.all(
      ['before', 'since'].map((name) =>
        createVault(createMemoryStore(), { name, keys: [{ kind: 'passphrase', passphrase: 'words', cost: CHEAP }] }),
      ),
    );
    const web = 'a'.repeat(32);
    const now = Date.now();
    await fill(before!, web, 'web1', '52:54:00:00:00:01', now - DAY);
    for (let start = 0; start < 3; start += 1) await (await openLogWriter(before!, web)).close();
    await fill(since!, web, 'web1', '52:54:00:00:00:01', now);
    const machines = [
      { name: 'before', vault: before! },
      { name: 'since', vault: since! },
    ];
    for (const [round, vaults] of [machines, machines.toReversed()].entries()) {
      const place = path.join(directory, String(round));
      const found = await rebuild({ vaults, stateDirectory: place, log: silent });
      expect(found.map(({ name, vault, state }) => [name, vault, state])).toEqual([
        ['web1', 'since', 'protected'],
        ['web1', 'before', 'not protected'],
      ]);
      const store = await openLevelStore(path.join(place, 'state'), LIMITS);
      const anchor = await find(store, anchors, web);
      const kept: string[] = [];
      for await (const { value } of listAll(store, protections)) kept.push(value.vault);
      await store.close();
      const { head } = await readMachine(since!, web);
      expect(kept).toEqual([since!.id]);
      expect(anchor?.value).toEqual({ term: 4, durableSequence: head.sequence, durableTag: head.tag });
      expect(head.term).toBe(1);
    }
  }, 60_000);

  it('leaves nothing behind when a vault cannot be read', async () => {
    const place = path.join(directory, 'new');
    const broken = { name: 'x', store: { url: 'memory:' }, machines: () => Promise.reject(new Error('gone')) } as never;
    await expect(rebuild({ vaults: [{ name: 'office', vault: broken }], stateDirectory: place, log: silent })).rejects.toThrow('gone');
    expect(await readdir(place)).toEqual([]);
  });
});
