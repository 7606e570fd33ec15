import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  idBytes,
  LineStateSchema,
  PointKind,
  ProtectionSchema,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  RecoveryPointSchema,
  RecoveryReportSchema,
  RecoveryStage,
} from '@holdfast/protocol';
import { cleanUp } from '../housekeeping.ts';
import { takeLines } from '../reconcile/lines.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, protections, SITE, type SiteRecord, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { adoptFence, takeRecoveries } from './adopt-recoveries.ts';
import { recoveriesWanted, silencedBy } from './recoveries-wanted.ts';
import { changeRecovery, endRecovery } from './recovery-commits.ts';
import { committedRecoveries, openRecoveries, recoveries, wantedRecoveries } from './recovery-record.ts';
import { committedFailover } from './release-fence.ts';

const id = (digit: string): string => digit.repeat(32);
const [MACHINE, SERVER, PROTECTION, OPERATION, RUN, POINT] = [id('a'), id('b'), id('c'), id('d'), id('e'), id('f')];

describe('a configuration server that lost its state', () => {
  let store: StateStore;
  beforeEach(async () => {
    store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    await transact(store, async (transaction) => {
      transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
      const protection = { machineId: MACHINE, vault: 'office', state: ProtectionState.FAILED_OVER, processServerId: SERVER };
      transaction.put(protections, PROTECTION, create(ProtectionSchema, protection));
    });
  });
  const reader = () => ({
    get: <T>(kind: Parameters<typeof find<T>>[1], key: string) => find<T>(store, kind, key),
    async list<T>(kind: Parameters<typeof find<T>>[1], within: string) {
      const all = [];
      for await (const one of listAll<T>(store, kind, within)) all.push(one);
      return all;
    },
  });
  const report = (more: MessageInitShape<typeof RecoveryReportSchema> = {}) =>
    create(RecoveryReportSchema, {
      id: idBytes(OPERATION),
      runId: idBytes(RUN),
      goal: RecoveryGoal.RUNNING,
      kind: RecoveryKind.FAILOVER,
      machineId: idBytes(MACHINE),
      vault: 'office',
      pointId: idBytes(POINT),
      pointUnixMillis: 7n,
      ...(more as object),
    });

  const adoptRecoveries = (to: StateStore, server: string, reports: Parameters<typeof takeRecoveries>[2], vaults = ['office']) =>
    takeRecoveries(to, { server, vaults }, reports);

  it('lets nobody send that is failed over, whoever knows of it', async () => {
    expect(await silencedBy(reader(), MACHINE, ProtectionState.FAILED_OVER)).toBe('');
    expect(await silencedBy(reader(), MACHINE, ProtectionState.PROTECTED)).toBeUndefined();
    await adoptRecoveries(store, SERVER, [report()]);
    expect(await silencedBy(reader(), MACHINE, ProtectionState.FAILED_OVER)).toBe(OPERATION);
  });

  it('takes up what a process server carries out, and wants of it exactly that', async () => {
    await adoptRecoveries(store, SERVER, [report(), report()]);
    await adoptRecoveries(store, SERVER, [report({ goal: RecoveryGoal.HELD })]);
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({
      kind: 'failover',
      goal: 'running',
      runId: RUN,
      serverId: SERVER,
    });
    const wanted = await recoveriesWanted(reader(), SERVER);
    expect(wanted).toMatchObject([{ goal: RecoveryGoal.RUNNING, runId: idBytes(RUN), pointId: idBytes(POINT), pointUnixMillis: 7n }]);
    expect((await store.events({ limit: 10 })).map(({ code }) => code)).toEqual(['recovery-adopted']);
  });

  it.each([
    ['of another vault', { vault: 'other' }],
    ['of a machine nobody knows', { machineId: idBytes(id('9')) }],
    ['that is over', { goal: RecoveryGoal.RELEASED }],
    ['without an id', { runId: new Uint8Array() }],
  ])('takes up nothing %s', async (_, more) => {
    await adoptRecoveries(store, SERVER, [report(more)]);
    expect(await find(store, openRecoveries, `${MACHINE}/failover`)).toBeUndefined();
  });

  it('opens no failover for a machine that was committed and whose source is protected again: it would be silenced, and nothing could end that', async () => {
    const stateIs = (state: ProtectionState) =>
      transact(store, async (transaction) =>
        transaction.put(protections, PROTECTION, create(ProtectionSchema, { machineId: MACHINE, vault: 'office', state })),
      );
    await stateIs(ProtectionState.PROTECTED);
    await adoptRecoveries(store, SERVER, [report({ goal: RecoveryGoal.INDEPENDENT })]);
    expect(await find(store, openRecoveries, `${MACHINE}/failover`)).toBeUndefined();
    expect(await silencedBy(reader(), MACHINE, ProtectionState.PROTECTED)).toBeUndefined();
    // Its vault says that the source is fenced.
    await stateIs(ProtectionState.FAILED_OVER);
    await adoptRecoveries(store, SERVER, [report({ goal: RecoveryGoal.INDEPENDENT })]);
    expect(await find(store, openRecoveries, `${MACHINE}/failover`)).toBeUndefined();
    // Its commit is under way.
    await adoptRecoveries(store, SERVER, [report({ goal: RecoveryGoal.INDEPENDENT, machine: { hydrated: 0.5 } })]);
    expect((await find(store, openRecoveries, `${MACHINE}/failover`))!.value).toEqual({ recovery: OPERATION });
  });

  const COMMITTED = { goal: RecoveryGoal.INDEPENDENT, stage: RecoveryStage.REACHED } as const;
  const stateNow = async () => (await find(store, protections, PROTECTION))!.value.state;

  it('takes up what was committed as that: nobody can cancel it, and its source is fenced for good', async () => {
    await adoptRecoveries(store, SERVER, [report(COMMITTED)]);
    expect(await find(store, openRecoveries, `${MACHINE}/failover`)).toBeUndefined();
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({ state: 'committed', goal: 'independent' });
    expect([await stateNow(), (await committedFailover(store, MACHINE, 'office'))?.id]).toEqual([ProtectionState.COMMITTED, OPERATION]);
    expect(await recoveriesWanted(reader(), SERVER)).toMatchObject([{ goal: RecoveryGoal.INDEPENDENT }]);
  });

  it('takes up a commit that was cancelled when all was copied as a failover that can be cancelled, and says on that it was', async () => {
    const cancelled = { ...COMMITTED, commitCancelled: true, machine: { hydrated: 1 } };
    await adoptRecoveries(store, SERVER, [report(cancelled)]);
    expect((await find(store, openRecoveries, `${MACHINE}/failover`))?.value).toEqual({ recovery: OPERATION });
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({
      state: 'running',
      goal: 'independent',
      commitCancelled: true,
    });
    expect([await stateNow(), await committedFailover(store, MACHINE, 'office')]).toEqual([ProtectionState.FAILED_OVER, undefined]);
    const wanted = await recoveriesWanted(reader(), SERVER);
    expect(wanted).toMatchObject([{ goal: RecoveryGoal.INDEPENDENT, commitCancelled: true }]);
  });

  it('believes of no test that it was committed: its source is fenced by nobody', async () => {
    const aTest = { kind: RecoveryKind.TEST } as const;
    await adoptRecoveries(store, SERVER, [report({ ...COMMITTED, ...aTest }), report({ ...aTest, goal: RecoveryGoal.INDEPENDENT })]);
    expect([await find(store, recoveries, OPERATION), await find(store, committedRecoveries, MACHINE)]).toEqual([undefined, undefined]);
    expect(await stateNow()).toBe(ProtectionState.FAILED_OVER);
    await adoptRecoveries(store, SERVER, [report(aTest)]);
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({ kind: 'test', state: 'running' });
  });

  it('takes it up beside a source that is protected again, which is neither silenced nor fenced', async () => {
    await transact(store, async (transaction) =>
      transaction.put(
        protections,
        PROTECTION,
        create(ProtectionSchema, { machineId: MACHINE, vault: 'office', state: ProtectionState.PROTECTED }),
      ),
    );
    await adoptRecoveries(store, SERVER, [report(COMMITTED)]);
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({ state: 'committed', fenceReleased: expect.any(Number) });
    expect([await stateNow(), await committedFailover(store, MACHINE, 'office')]).toEqual([ProtectionState.PROTECTED, undefined]);
    expect(await silencedBy(reader(), MACHINE, ProtectionState.PROTECTED)).toBeUndefined();
  });

  it('waits, when restored, for what the vault says of the source before it takes up what was committed: its fence would seem released', async () => {
    const source = create(ProtectionSchema, { machineId: MACHINE, vault: 'office', state: ProtectionState.PROTECTED });
    const restored = { from: 'backup', made: 1, at: 2 };
    await transact(store, async (transaction) => {
      transaction.put(protections, PROTECTION, source);
      transaction.put(sites, SITE, { id: id('8'), restored } as unknown as SiteRecord);
    });
    await adoptRecoveries(store, SERVER, [report(COMMITTED)]);
    expect(await find(store, recoveries, OPERATION)).toBeUndefined();
    const line = { machineId: idBytes(MACHINE), vault: 'office', failoverOperationId: idBytes(OPERATION), failoverPointId: idBytes(POINT) };
    await takeLines(store, [create(LineStateSchema, line)]);
    await adoptRecoveries(store, SERVER, [report(COMMITTED)]);
    expect([await stateNow(), (await committedFailover(store, MACHINE, 'office'))?.id]).toEqual([ProtectionState.COMMITTED, OPERATION]);
    // The same of a backup that is of the moment at which its fence was to be released.
    await transact(store, async (transaction) => {
      transaction.put(protections, PROTECTION, source);
      await changeRecovery(transaction, { input: { recovery: OPERATION } }, { fenceReleased: 1 });
    });
    await takeLines(store, [create(LineStateSchema, line)]);
    expect([await stateNow(), (await committedFailover(store, MACHINE, 'office'))?.id]).toEqual([ProtectionState.COMMITTED, OPERATION]);
  });

  it('takes up both when the source was failed over again since: the newer one is open, the older one fences nothing', async () => {
    const newer = { id: idBytes(id('7')), runId: idBytes(id('8')) };
    await adoptRecoveries(store, SERVER, [report(COMMITTED), report(newer)]);
    expect((await find(store, openRecoveries, `${MACHINE}/failover`))!.value).toEqual({ recovery: id('7') });
    expect((await find(store, recoveries, OPERATION))!.value).toMatchObject({ state: 'committed', fenceReleased: expect.any(Number) });
    expect(await stateNow()).toBe(ProtectionState.FAILED_OVER);
  });

  it('does not take up again what ended so long ago that its history is not kept: what is left of it is removed', async () => {
    await adoptRecoveries(store, SERVER, [report()]);
    await transact(store, async (transaction) => void (await endRecovery(transaction, { input: { recovery: OPERATION } })));
    await cleanUp(store, 0, 0, Date.now(), 0);
    expect(await find(store, recoveries, OPERATION)).toBeUndefined();
    await adoptRecoveries(store, SERVER, [report()]);
    expect([await find(store, recoveries, OPERATION), await find(store, openRecoveries, `${MACHINE}/failover`)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(await recoveriesWanted(reader(), SERVER)).toMatchObject([
      { goal: RecoveryGoal.RELEASED, id: idBytes(OPERATION), machineName: 'web1' },
    ]);
    await adoptRecoveries(store, SERVER, [report({ goal: RecoveryGoal.RELEASED, stage: RecoveryStage.REACHED })]);
    expect(await recoveriesWanted(reader(), SERVER)).toEqual([]);
  });

  it('removes nothing that was left to its owner, however long ago: a server that comes back may tell of it still', async () => {
    await adoptRecoveries(store, SERVER, [report(COMMITTED)]);
    const forgotten = { goal: RecoveryGoal.FORGOTTEN, stage: RecoveryStage.REACHED } as const;
    await transact(store, async (transaction) => {
      await changeRecovery(transaction, { input: { recovery: OPERATION } }, { state: 'forgotten', fenceReleased: 1 });
      transaction.delete(wantedRecoveries, `${SERVER}/${OPERATION}`);
    });
    await cleanUp(store, 0, 0, Date.now(), 0);
    expect(await find(store, recoveries, OPERATION)).toBeUndefined();
    await adoptRecoveries(store, SERVER, [report(forgotten)]);
    expect(await recoveriesWanted(reader(), SERVER)).toEqual([]);
  });

  it.each([
    [7n, 7],
    [2n ** 63n, 0],
  ])('believes that %d attempts were made, as %d: the next one has to be above it', async (attempt, believed) => {
    await adoptRecoveries(store, SERVER, [report({ attempt })]);
    expect((await find(store, recoveries, OPERATION))!.value.attempt).toBe(believed);
  });

  it('believes no server of vaults that it does not hold', async () => {
    await adoptRecoveries(store, SERVER, [report()], ['elsewhere']);
    expect(await find(store, recoveries, OPERATION)).toBeUndefined();
  });

  it('can end a failover that only the vault knows of', async () => {
    const machine = (await find(store, machines, MACHINE))!;
    const point = create(RecoveryPointSchema, { id: POINT, unixMillis: 7n, kind: PointKind.CRASH });
    const adopt = (operationId: string) =>
      transact(store, (transaction) => adoptFence(transaction, machine, { operationId, point, serverId: SERVER }));
    await expect(adopt('')).rejects.toMatchObject({ code: 'OPERATION_REFUSED' });
    await adopt(OPERATION);
    expect((await find(store, openRecoveries, `${MACHINE}/failover`))!.value).toEqual({ recovery: OPERATION });
    // What was committed is the machine in use: to end it would remove that.
    for (const state of ['committed', 'forgotten'] as const) {
      await transact(store, (transaction) => changeRecovery(transaction, { input: { recovery: OPERATION } }, { state }));
      await expect(adopt(OPERATION)).rejects.toMatchObject({ code: 'OPERATION_REFUSED' });
      expect((await find(store, recoveries, OPERATION))!.value.state).toBe(state);
    }
  });
});
