// Longer than others: every goal from every other over one vault, judged by the same few words: what runs, what is held, what is fenced.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { createMemoryStore } from '@holdfast/object-store';
import {
  idBytes,
  newId,
  PointKind,
  RecoveryAnswerSchema,
  RecoveryGoal,
  RecoveryKind,
  RecoveryQuestionSchema,
  RecoveryStage,
  RecoveryTargetSchema,
  type WantedRecovery,
  WantedRecoverySchema,
  WantedReleaseSchema,
} from '@holdfast/protocol';
import {
  createVault,
  listHolds,
  openLogWriter,
  readMachine,
  recordFailover,
  recordRelease,
  registerMachine,
  type Vault,
} from '@holdfast/vault';
import { ScriptedSource } from '../conformance/scripted-source.ts';
import { createAnswers } from './answers.ts';
import { openRecoveries, type Recoveries } from './recoveries.ts';
import { createReleases } from './releases.ts';
import { createScriptedFabric, type ScriptedFabric } from './testing/scripted-fabric.ts';

const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 3) } as const;
const silent = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;

const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + 20_000;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('recoveries of a process server', () => {
  let vault: Vault;
  let source: ScriptedSource;
  let directory: string;
  let fabric: ScriptedFabric;
  let opened: Recoveries[];
  let points: readonly string[];

  beforeEach(async () => {
    vault = await createVault(createMemoryStore(), { name: 'test', keys: [KEY] });
    source = new ScriptedSource({ size: 64 * 1024 });
    await registerMachine(vault, { id: source.machineId, name: 'db1' });
    await append(3);
    points = (await readMachine(vault, source.machineId)).points.map(({ id }) => id);
    directory = await mkdtemp(path.join(tmpdir(), 'recoveries-'));
    fabric = createScriptedFabric();
    opened = [];
  });
  afterEach(async () => {
    for (const recoveries of opened) await recoveries.close();
    await vault.close();
    await rm(directory, { recursive: true });
  });

  const append = async (cuts: number): Promise<void> => {
    const writer = await openLogWriter(vault, source.machineId, {});
    for (let n = 0; n < cuts; n += 1) {
      source.scribble(1);
      await writer.append((await source.cut()).content);
    }
    await writer.close();
  };

  const open = async (): Promise<Recoveries> => {
    const recoveries = await openRecoveries({
      directory,
      vaults: { open: async () => vault },
      fabric: () => fabric.fabric,
      recoverer: fabric.recoverer,
      log: silent,
      onChange: () => undefined,
      look: 10,
      pause: 10,
    });
    opened.push(recoveries);
    return recoveries;
  };

  const wanted = (goal: RecoveryGoal, more: Partial<Omit<WantedRecovery, '$typeName' | '$unknown' | 'target'>> = {}): WantedRecovery =>
    create(WantedRecoverySchema, {
      id: idBytes(ID),
      runId: idBytes(RUN),
      kind: RecoveryKind.FAILOVER,
      goal,
      machineId: idBytes(source.machineId),
      machineName: 'db1',
      vault: 'main',
      pointId: idBytes(points[1]!),
      ...more,
    });
  const ID = 'a'.repeat(32);
  const RUN = 'b'.repeat(32);
  const holds = async () => (await listHolds(vault, source.machineId)).map((hold) => hold.points);
  const failedOver = async () => (await readMachine(vault, source.machineId)).failedOver;
  const reach = (recoveries: Recoveries, goal: RecoveryGoal, stage: RecoveryStage = RecoveryStage.REACHED): Promise<void> =>
    until(`goal ${goal}, stage ${stage}: ${JSON.stringify(recoveries.reports().map(({ detail, problem }) => [detail, problem]))}`, () =>
      recoveries.reports().some((report) => report.goal === goal && report.stage === stage),
    );

  it('removes nothing that runs because it is told less than was done; a run of its own, or its end, removes it', async () => {
    const first = await open();
    await first.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(first, RecoveryGoal.RUNNING);
    for (const less of [RecoveryGoal.HELD, RecoveryGoal.FENCED]) {
      await first.want([wanted(less)]);
      await reach(first, RecoveryGoal.RUNNING);
      expect(fabric.running()).toMatchObject([{ run: RUN }]);
    }
    await first.close();
    const second = await open();
    await reach(second, RecoveryGoal.RUNNING);
    expect(fabric.running()).toMatchObject([{ run: RUN }]);
    await second.want([wanted(RecoveryGoal.HELD, { runId: idBytes('e'.repeat(32)) })]);
    await reach(second, RecoveryGoal.HELD);
    expect(fabric.running()).toEqual([]);
  });

  it('goes through a failover step by step, each held against what the vault says', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.HELD)]);
    await reach(recoveries, RecoveryGoal.HELD);
    expect(await holds()).toEqual([[points[1]]]);
    expect(await failedOver()).toBeUndefined();

    await recoveries.want([wanted(RecoveryGoal.FENCED)]);
    await reach(recoveries, RecoveryGoal.FENCED);
    expect(await failedOver()).toMatchObject({ operationId: ID, pointId: points[1] });
    await expect(append(1)).rejects.toMatchObject({ code: 'FENCED' });
    expect(fabric.running()).toEqual([]);

    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    expect(fabric.running()).toEqual([{ run: RUN, point: points[1], name: 'db1' }]);
    await until('what it says of the machine', () => recoveries.reports()[0]!.machine?.state === 'running');

    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await reach(recoveries, RecoveryGoal.INDEPENDENT);
    expect(fabric.running()).toEqual([{ run: RUN, point: points[1], name: 'db1' }]);
    expect(await holds()).toEqual([]);
    expect(await failedOver()).toMatchObject({ operationId: ID, pointId: points[1] });
  });

  it('takes everything back, and the source goes on', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.want([wanted(RecoveryGoal.DISCARDED)]);
    await reach(recoveries, RecoveryGoal.DISCARDED);
    expect(fabric.running()).toEqual([]);
    expect(await failedOver()).toBeDefined();
    await recoveries.want([wanted(RecoveryGoal.RELEASED)]);
    await reach(recoveries, RecoveryGoal.RELEASED);
    expect([await failedOver(), await holds()]).toEqual([undefined, []]);
    await append(1);
    await recoveries.want([]);
    expect(recoveries.reports()).toEqual([]);
    expect((await open()).reports()).toEqual([]);
  });

  it('releases the fence of a failover that was committed, and leaves what runs of it alone', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await reach(recoveries, RecoveryGoal.INDEPENDENT);
    await recoveries.close();
    let isAway = true;
    const vaults = {
      open: async () => {
        if (isAway) throw new HoldfastError('CONNECTION_LOST', { thing: 'store', why: 'it is away', remedy: 'wait' });
        return vault;
      },
    };
    const releases = createReleases({ vaults, log: silent, onChange: () => undefined, pause: 5 });
    const order = create(WantedReleaseSchema, { operationId: idBytes(ID), machineId: idBytes(source.machineId), vault: 'main' });
    try {
      releases.want([order]);
      await until('a problem', () => releases.reports()[0]?.problemCode === 'CONNECTION_LOST');
      expect(await failedOver()).toBeDefined();
      isAway = false;
      await until('the release', () => releases.reports()[0]?.released === true);
      releases.want([order]);
      expect(releases.reports()).toHaveLength(1);
      // Of another operation it takes nothing away, and what no vault knows is not fenced.
      await append(1);
      const later = 'e'.repeat(32);
      await recordFailover(vault, source.machineId, { operationId: later, pointId: points[1]! });
      const unknown = { ...order, operationId: idBytes(newId()), machineId: idBytes(newId()) };
      releases.want([{ ...order, operationId: idBytes(newId()) }, unknown]);
      await until('both', () => releases.reports().length === 2 && releases.reports().every(({ released }) => released));
      expect(await failedOver()).toMatchObject({ operationId: later });
      await recordRelease(vault, source.machineId, { operationId: later });
      releases.want([]);
      expect(releases.reports()).toEqual([]);
    } finally {
      await releases.close();
    }
    // The committed machine is started again after an end of this server, and fences nobody.
    const again = await open();
    await reach(again, RecoveryGoal.INDEPENDENT);
    expect(fabric.running()).toEqual([{ run: RUN, point: points[1], name: 'db1' }]);
    expect(await failedOver()).toBeUndefined();
  });

  it('leaves what it is not told of any more as it is', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.want([]);
    expect(recoveries.reports()).toHaveLength(1);
    expect(fabric.running()).toHaveLength(1);
  });

  it('changes the point: the earlier machine goes, the fence and the hold name the new one', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    const run = 'c'.repeat(32);
    const other = { runId: idBytes(run), pointId: idBytes(points[0]!) };
    await recoveries.want([wanted(RecoveryGoal.RUNNING, other)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    expect(fabric.running()).toEqual([{ run, point: points[0], name: 'db1' }]);
    expect(await failedOver()).toMatchObject({ operationId: ID, pointId: points[0] });
    expect(await holds()).toEqual([[points[0]]]);
  });

  it('tests without a fence, and without a term', async () => {
    const before = (await readMachine(vault, source.machineId)).head;
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING, { kind: RecoveryKind.TEST })]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    expect(fabric.running()).toEqual([{ run: RUN, point: points[1], name: 'db1-test' }]);
    expect((await readMachine(vault, source.machineId)).head).toEqual(before);
    await append(1);
    await recoveries.want([wanted(RecoveryGoal.RELEASED, { kind: RecoveryKind.TEST })]);
    await reach(recoveries, RecoveryGoal.RELEASED);
    expect([fabric.running(), await holds()]).toEqual([[], []]);
  });

  it('goes on after each of its own ends, whatever step it was at', async () => {
    for (const at of ['holding', 'opening', 'creating', 'starting', 'ready'] as const) {
      const id = newId();
      const runId = idBytes(newId());
      const kind = RecoveryKind.TEST;
      const stops = fabric.stopAt(at);
      const first = await open();
      await first.want([wanted(RecoveryGoal.RUNNING, { id: idBytes(id), runId, kind })]);
      await stops;
      await first.close();
      fabric.stopAt(undefined);
      // Without a word of the configuration server.
      const second = await open();
      await reach(second, RecoveryGoal.RUNNING);
      await second.want([wanted(RecoveryGoal.RELEASED, { id: idBytes(id), runId, kind })]);
      await reach(second, RecoveryGoal.RELEASED);
      await second.want([]);
      await second.close();
      expect([at, fabric.running(), await holds()]).toEqual([at, [], []]);
    }
  });

  it('tries again what may pass, and says what will not', async () => {
    const recoveries = await open();
    fabric.fail(new HoldfastError('STORE_UNAVAILABLE', { thing: 'the vault', why: 'it does not answer', remedy: 'wait' }));
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await until('a problem', () => recoveries.reports()[0]!.problemCode === 'STORE_UNAVAILABLE');
    expect(recoveries.reports()[0]!.stage).toBe(RecoveryStage.WORKING);
    fabric.fail(new HoldfastError('TOOL_MISSING', { thing: 'qemu', why: 'it is not there', remedy: 'install it' }));
    await reach(recoveries, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(recoveries.reports()[0]).toMatchObject({ problemCode: 'TOOL_MISSING', problem: 'qemu: it is not there', remedy: 'install it' });
    fabric.fail(undefined);
    await recoveries.want([wanted(RecoveryGoal.RUNNING, { runId: idBytes('d'.repeat(32)) })]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    expect(fabric.running()).toHaveLength(1);
  });

  it('never gives up on the disks of a machine that is committed', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.close();
    fabric.fail(new HoldfastError('NO_PERMISSION', { thing: 'the vault', why: 'its rights were taken', remedy: 'give them' }));
    const again = await open();
    await again.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await until('a problem', () => again.reports()[0]!.problemCode === 'NO_PERMISSION');
    await until('it is tried again', () => again.reports()[0]!.stage === RecoveryStage.WORKING);
    fabric.fail(undefined);
    await reach(again, RecoveryGoal.INDEPENDENT);
  });

  it('begins nothing anew of what was committed, and fences nobody, when it knows nothing of it any more', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await until('a problem', () => recoveries.reports()[0]!.problemCode === 'OPERATION_REFUSED');
    expect([fabric.running(), await holds(), await failedOver()]).toEqual([[], [], undefined]);
    await append(1);
  });

  it('does not fence again a source that was released elsewhere while it was away', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.close();
    await recordRelease(vault, source.machineId, { operationId: ID });
    // Without a word of a configuration server.
    const again = await open();
    await reach(again, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(again.reports()[0]).toMatchObject({ problemCode: 'FENCED', problem: expect.stringContaining('released elsewhere') });
    expect(await failedOver()).toBeUndefined();
    await append(1);
    await again.want([wanted(RecoveryGoal.RELEASED)]);
    await reach(again, RecoveryGoal.RELEASED);
    expect([fabric.running(), await holds()]).toEqual([[], []]);
  });

  it('tells an earlier version of itself that the source was fenced', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.FENCED)]);
    await reach(recoveries, RecoveryGoal.FENCED);
    await recoveries.close();
    expect(JSON.parse(await readFile(path.join(directory, `${ID}.json`), 'utf8'))).toMatchObject({ fenced: true, fencedAt: points[1] });
  });

  it('does not fence at its own point what another process server goes on with from another point', async () => {
    const first = await open();
    await first.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(first, RecoveryGoal.RUNNING);
    await first.close();
    await recordFailover(vault, source.machineId, { operationId: ID, pointId: points[2]! });
    const again = await open();
    await reach(again, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(again.reports()[0]).toMatchObject({ problemCode: 'FENCED', problem: expect.stringContaining('goes on') });
    expect(await failedOver()).toMatchObject({ operationId: ID, pointId: points[2] });
    // Told to take another point itself, it does.
    await recordFailover(vault, source.machineId, { operationId: ID, pointId: points[1]! });
    await again.want([wanted(RecoveryGoal.RUNNING, { runId: idBytes('c'.repeat(32)), pointId: idBytes(points[0]!) })]);
    await reach(again, RecoveryGoal.RUNNING);
    expect(await failedOver()).toMatchObject({ operationId: ID, pointId: points[0] });
  });

  it('starts nothing when another process server goes on with it from the same point, though nobody tells', async () => {
    const ordered = (goal: RecoveryGoal, attempt: bigint, run = RUN) => wanted(goal, { attempt, runId: idBytes(run) });
    const first = await open();
    await first.want([ordered(RecoveryGoal.RUNNING, 5n)]);
    await reach(first, RecoveryGoal.RUNNING);
    await first.close();
    // Its host went down, and its machine with it; the failover was handed over to a server that begins with a higher attempt.
    fabric.switchOff(RUN);
    await recordFailover(vault, source.machineId, { operationId: ID, pointId: points[1]!, attempt: 6 });
    const again = await open();
    await reach(again, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(again.reports()[0]).toMatchObject({ problemCode: 'FENCED', problem: expect.stringContaining('goes on') });
    expect(fabric.running()).toEqual([]);
    expect(await failedOver()).toEqual({ operationId: ID, pointId: points[1], attempt: 6 });
    // Handed back to it, it goes on.
    await again.want([ordered(RecoveryGoal.RUNNING, 7n, 'c'.repeat(32))]);
    await reach(again, RecoveryGoal.RUNNING);
    expect([fabric.running().length, await failedOver()]).toEqual([1, { operationId: ID, pointId: points[1], attempt: 7 }]);
  });

  it('switches a machine on once for each request, and not again after its system switched it off', async () => {
    const [first, second] = [newId(), newId()];
    const asked = (request: string) => wanted(RecoveryGoal.RUNNING, { startRequest: idBytes(request) });
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    const isDone = (request: string) => () => Buffer.from(recoveries.reports()[0]!.startRequest ?? []).toString('hex') === request;
    fabric.switchOff(RUN);
    await recoveries.want([asked(first)]);
    await until('it is done', isDone(first));
    expect(fabric.running()).toHaveLength(1);
    fabric.switchOff(RUN);
    await recoveries.want([asked(first)]);
    await until('it is seen off', () => recoveries.reports()[0]!.machine?.state === 'stopped');
    expect(fabric.running()).toEqual([]);
    await recoveries.want([asked(second)]);
    await until('it is done', isDone(second));
    expect([fabric.running().length, recoveries.reports()[0]!.startProblem]).toEqual([1, undefined]);
    // What was carried out before a restart is told, and not done again.
    fabric.switchOff(RUN);
    await recoveries.close();
    const again = await open();
    await again.want([asked(second)]);
    await until('it is seen off', () => again.reports()[0]!.machine?.state === 'stopped');
    expect([again.reports()[0]!.startRequest, fabric.running()]).toEqual([idBytes(second), []]);
  });

  it.each([false, true])(
    'switches nothing on again that it was switching on when it was killed, but says so: it is on: %s',
    async (isOn) => {
      const request = newId();
      const asked = wanted(RecoveryGoal.RUNNING, { startRequest: idBytes(request) });
      const file = path.join(directory, `${ID}.json`);
      const recoveries = await open();
      await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
      await reach(recoveries, RecoveryGoal.RUNNING);
      fabric.switchOff(RUN);
      const { begun, letGo } = fabric.slowStarts();
      await recoveries.want([asked]);
      await begun;
      const left = await readFile(file, 'utf8');
      letGo();
      await recoveries.close();
      // As a kill leaves it: the machine runs, and it may have been switched off since.
      await writeFile(file, left);
      if (!isOn) fabric.switchOff(RUN);
      const again = await open();
      await again.want([asked]);
      await until('it is told', () => again.reports()[0]!.startRequest !== undefined);
      expect([again.reports()[0]!.startProblemCode, fabric.running().length]).toEqual(isOn ? [undefined, 1] : ['INTERRUPTED', 0]);
      await again.want([wanted(RecoveryGoal.RUNNING, { startRequest: idBytes(newId()) })]);
      await until('another request is carried out', () => again.reports()[0]!.startRequest !== undefined && fabric.running().length === 1);
    },
  );

  it('says why a machine cannot be switched on, after a restart too', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    fabric.switchOff(RUN);
    fabric.fail(new HoldfastError('FABRIC_FAILED', { thing: 'QEMU', why: 'its disk is gone', remedy: 'look for it' }));
    const asked = wanted(RecoveryGoal.RUNNING, { startRequest: idBytes(newId()) });
    await recoveries.want([asked]);
    const problem = { startProblemCode: 'FABRIC_FAILED', startProblem: 'QEMU: its disk is gone', startRemedy: 'look for it' };
    await until('it is told', () => recoveries.reports()[0]!.startRequest !== undefined);
    expect(recoveries.reports()[0]).toMatchObject({ startRequest: asked.startRequest, ...problem });
    await recoveries.close();
    expect((await open()).reports()[0]).toMatchObject({ startRequest: asked.startRequest, ...problem });
  });

  it('stays independent of the vault when a commit is taken back too late; another point, and the end of it, are done as ever', async () => {
    let recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await reach(recoveries, RecoveryGoal.INDEPENDENT);
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    // Who lost its state has to know that nobody committed it.
    const independent = { goal: RecoveryGoal.INDEPENDENT, stage: RecoveryStage.REACHED };
    expect(recoveries.reports()[0]).toMatchObject({ ...independent, commitCancelled: true });
    expect([await holds(), fabric.running().length]).toEqual([[], 1]);
    // Nor when it hears of that behind a restart, before it looked again.
    await recoveries.close();
    recoveries = await open();
    expect(recoveries.reports()[0]).toMatchObject({ commitCancelled: true });
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.INDEPENDENT);
    expect([await holds(), fabric.running().length]).toEqual([[], 1]);
    // Ordered anew it is a commit; and it may be that the order stays and is no commit.
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    expect(recoveries.reports()[0]).toMatchObject({ ...independent, commitCancelled: false });
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT, { commitCancelled: true })]);
    expect(recoveries.reports()[0]).toMatchObject({ ...independent, commitCancelled: true });
    const other = { runId: idBytes('e'.repeat(32)), pointId: idBytes(points[0]!) };
    await recoveries.want([wanted(RecoveryGoal.RUNNING, other)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    expect([await holds(), fabric.running()]).toMatchObject([[[points[0]]], [{ point: points[0] }]]);
    await recoveries.want([wanted(RecoveryGoal.DISCARDED, other)]);
    await reach(recoveries, RecoveryGoal.DISCARDED);
    expect(fabric.running()).toEqual([]);
  });

  it('does not release the source while the machine is being switched on: nothing of it runs behind that', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    fabric.switchOff(RUN);
    const { begun, letGo } = fabric.slowStarts();
    await recoveries.want([wanted(RecoveryGoal.RUNNING, { startRequest: idBytes(newId()) })]);
    await begun;
    await recoveries.want([wanted(RecoveryGoal.RELEASED)]);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await failedOver()).toBeDefined();
    letGo();
    await reach(recoveries, RecoveryGoal.RELEASED);
    expect([fabric.running(), await failedOver()]).toEqual([[], undefined]);
  });

  it('leaves no machine alone that still needs it, nor does it after a restart', async () => {
    const aTest = (goal: RecoveryGoal) => wanted(goal, { kind: RecoveryKind.TEST });
    const first = await open();
    await first.want([aTest(RecoveryGoal.RUNNING)]);
    await reach(first, RecoveryGoal.RUNNING);
    await first.want([aTest(RecoveryGoal.FORGOTTEN)]);
    await reach(first, RecoveryGoal.FORGOTTEN, RecoveryStage.FAILED);
    await first.close();
    const second = await open();
    await reach(second, RecoveryGoal.FORGOTTEN, RecoveryStage.FAILED);
    expect(second.reports()[0]).toMatchObject({ problemCode: 'OPERATION_REFUSED' });
  });

  it('leaves a committed machine to its owner: it runs on, and nobody knows of it any more', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING);
    await recoveries.want([wanted(RecoveryGoal.INDEPENDENT)]);
    await reach(recoveries, RecoveryGoal.INDEPENDENT);
    await recoveries.want([wanted(RecoveryGoal.FORGOTTEN)]);
    await reach(recoveries, RecoveryGoal.FORGOTTEN);
    await recoveries.want([]);
    expect([recoveries.reports(), fabric.running().length]).toEqual([[], 1]);
    expect((await readdir(directory)).filter((name) => name.endsWith('.json'))).toEqual([]);
    expect(await failedOver()).toMatchObject({ operationId: ID });
  });

  it("does not touch another operation's failover, and names a point that is gone", async () => {
    await recordFailover(vault, source.machineId, { operationId: 'e'.repeat(32), pointId: points[2]! });
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.RUNNING)]);
    await reach(recoveries, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(recoveries.reports()[0]).toMatchObject({ problemCode: 'FENCED', problem: expect.stringContaining('e'.repeat(32)) });
    await recoveries.want([wanted(RecoveryGoal.RELEASED)]);
    await reach(recoveries, RecoveryGoal.RELEASED);
    expect(await failedOver()).toMatchObject({ operationId: 'e'.repeat(32), pointId: points[2] });
    expect(await holds()).toEqual([]);
  });

  it('refuses a network that its host does not have before it touches anything; a machine that runs is not asked for it again', async () => {
    const target = create(RecoveryTargetSchema, { fabric: 'qemu', network: 'br7' });
    const recoveries = await open();
    await recoveries.want([{ ...wanted(RecoveryGoal.RUNNING), target }]);
    await reach(recoveries, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(recoveries.reports()[0]).toMatchObject({ problemCode: 'SETTING_INVALID', problem: expect.stringContaining('no bridge br7') });
    expect([await holds(), await failedOver(), fabric.running()]).toEqual([[], undefined, []]);

    fabric.addBridge('br7');
    await recoveries.close();
    const again = await open();
    await again.want([{ ...wanted(RecoveryGoal.RUNNING), target }]);
    await reach(again, RecoveryGoal.RUNNING);
    expect(fabric.running()).toHaveLength(1);
    await again.close();
    fabric.removeBridge('br7');
    const after = await open();
    await after.want([{ ...wanted(RecoveryGoal.RUNNING), target }]);
    await reach(after, RecoveryGoal.RUNNING);
  });

  it.each([
    ['network', 'two words'],
    ['size', '4GB'],
  ])('refuses a %s that makes no sense before it touches anything', async (field, value) => {
    const recoveries = await open();
    const target = create(RecoveryTargetSchema, { fabric: 'qemu', [field]: value });
    await recoveries.want([Object.assign(wanted(RecoveryGoal.RUNNING), { target })]);
    await reach(recoveries, RecoveryGoal.RUNNING, RecoveryStage.FAILED);
    expect(recoveries.reports()[0]).toMatchObject({ problemCode: 'SETTING_INVALID' });
    expect([await failedOver(), await holds()]).toEqual([undefined, []]);
  });

  it('names a point that was thinned', async () => {
    const recoveries = await open();
    await recoveries.want([wanted(RecoveryGoal.FENCED, { pointId: idBytes('f'.repeat(32)) })]);
    await reach(recoveries, RecoveryGoal.FENCED, RecoveryStage.FAILED);
    expect(recoveries.reports()[0]).toMatchObject({ problemCode: 'POINT_NOT_FOUND', problem: expect.stringContaining('f'.repeat(32)) });
    expect(await failedOver()).toBeUndefined();
  });

  it('answers questions once, and forgets what is not asked any more', async () => {
    let told = 0;
    const answers = createAnswers({ vaults: { open: async () => vault }, onAnswer: () => (told += 1) });
    const question = (id: string, about: Record<string, unknown>) =>
      create(RecoveryQuestionSchema, { id: idBytes(id), machineId: idBytes(source.machineId), vault: 'main', question: about as never });
    const [a, b, c] = [newId(), newId(), newId()];
    const asked = [
      question(a, { case: 'points', value: { limit: 2 } }),
      question(b, { case: 'choose', value: { choice: { case: 'newest', value: PointKind.APPLICATION } } }),
      question(c, { case: 'choose', value: { choice: { case: 'idPrefix', value: points[0]!.slice(0, 8) } } }),
    ];
    answers.ask(asked);
    answers.ask(asked);
    await until('three answers', () => answers.all().length === 3);
    expect(told).toBe(3);
    const of = (id: string) => answers.all().find((one) => Buffer.from(one.id).toString('hex') === id) ?? create(RecoveryAnswerSchema);
    expect(of(a)).toMatchObject({ more: true, total: 3n, points: [{ id: points[2] }, { id: points[1] }] });
    expect(of(b)).toMatchObject({ problemCode: 'POINT_NOT_FOUND', points: [] });
    expect(of(c)).toMatchObject({ problemCode: '', points: [{ id: points[0], held: false }] });
    const d = newId();
    answers.ask([question(d, { case: 'points', value: { limit: 2, afterPointId: idBytes(points[1]!) } })]);
    await until('the next page', () => answers.all().length === 1);
    expect(of(d)).toMatchObject({ more: false, points: [{ id: points[0] }] });
  });
});
