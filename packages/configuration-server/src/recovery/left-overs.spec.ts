import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  idBytes,
  PointKind,
  ProtectionSchema,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  RecoveryPointSchema,
  RecoveryReportSchema,
  RecoveryStage,
} from '@holdfast/protocol';
import { find, listAll } from '../records/kind.ts';
import { machines, protections, servers } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { adoptFence, takeRecoveries } from './adopt-recoveries.ts';
import { leftOverAlerts, leftOvers } from './left-overs.ts';
import { recoveriesWanted } from './recoveries-wanted.ts';
import { endRecovery, want } from './recovery-commits.ts';
import { recoveries } from './recovery-record.ts';

const id = (digit: string): string => digit.repeat(32);
const [MACHINE, AWAY, OTHER, PROTECTION, OPERATION, RUN, POINT] = ['a', 'b', '1', 'c', 'd', 'e', 'f'].map(id) as [string, ...string[]] &
  Record<0 | 1 | 2 | 3 | 4 | 5 | 6, string>;
const { RUNNING, DISCARDED, RELEASED } = RecoveryGoal;
const { REACHED, WORKING } = RecoveryStage;

describe('a process server that was away while its failover was ended elsewhere', () => {
  let store: StateStore;
  const job = { input: { recovery: OPERATION } };
  beforeEach(async () => {
    store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    await transact(store, async (transaction) => {
      transaction.put(machines, MACHINE, { name: 'web1', agentVersion: '1', lastSeen: 0, protectionId: PROTECTION });
      const protection = { machineId: MACHINE, vault: 'office', state: ProtectionState.FAILED_OVER, processServerId: AWAY };
      transaction.put(protections, PROTECTION, create(ProtectionSchema, protection));
      for (const [server, name] of [[AWAY, 'gw1'] as const, [OTHER, 'gw2'] as const])
        transaction.put(servers, server, {
          name,
          role: 'process-server',
          softwareVersion: '',
          lastSeen: 0,
          endpoints: [],
          vaults: ['office'],
        });
    });
    // The configuration server had lost its state: only the vault knows of the failover, and the other one ends it.
    const machine = (await find(store, machines, MACHINE))!;
    const point = create(RecoveryPointSchema, { id: POINT, unixMillis: 7n, kind: PointKind.CRASH });
    await transact(store, (transaction) => adoptFence(transaction, machine, { operationId: OPERATION, point, serverId: OTHER }));
    await want(store, job, 'discarded');
  });

  const wantedOf = async (server: string) => {
    const list = async <T>(kind: Parameters<typeof find<T>>[1], within: string) => {
      const all = [];
      for await (const one of listAll<T>(store, kind, within)) all.push(one);
      return all;
    };
    return recoveriesWanted({ get: (kind, key) => find(store, kind, key), list }, server);
  };
  const reports = (goal: RecoveryGoal, stage: RecoveryStage = REACHED, more: MessageInitShape<typeof RecoveryReportSchema> = {}) =>
    takeRecoveries(store, { server: AWAY, vaults: ['office'] }, [
      create(RecoveryReportSchema, {
        id: idBytes(OPERATION),
        runId: idBytes(RUN),
        goal,
        stage,
        kind: RecoveryKind.FAILOVER,
        machineId: idBytes(MACHINE),
        vault: 'office',
        pointId: idBytes(POINT),
        ...(more as object),
      }),
    ]);
  const codes = async () => (await store.events({ limit: 100 })).map(({ code }) => code);

  it('is told to remove what it runs, again and again until it says that it is gone; an alert names machine and server', async () => {
    await transact(store, async (transaction) => void (await endRecovery(transaction, job)));
    expect(await leftOverAlerts(store)).toEqual([]);
    await reports(RUNNING);
    await reports(RUNNING);
    expect(await wantedOf(AWAY)).toMatchObject([{ id: idBytes(OPERATION), goal: RELEASED, machineName: 'web1', pointId: idBytes(POINT) }]);
    expect(await wantedOf(OTHER)).toEqual([]);
    const [alert, ...others] = await leftOverAlerts(store);
    expect(others).toEqual([]);
    expect(alert).toMatchObject({ machineId: MACHINE, severity: 'critical' });
    expect(alert!.text).toMatch(/web1: gw1 may still run it, although its failover is over/);
    await reports(RELEASED, WORKING);
    expect(await wantedOf(AWAY)).toHaveLength(1);
    await reports(RELEASED);
    await reports(RELEASED);
    expect([await wantedOf(AWAY), await leftOverAlerts(store)]).toEqual([[], []]);
    expect(await codes()).toEqual(['left-over-removed']);
    expect((await store.audit({ limit: 10 })).map(({ action }) => action)).toEqual(['DiscardLeftOver']);
  });

  it('takes nothing away from who goes on: fence and hold stay until it is over', async () => {
    await reports(RUNNING);
    expect(await wantedOf(AWAY)).toMatchObject([{ goal: DISCARDED }]);
    await reports(DISCARDED);
    expect([await wantedOf(AWAY), (await wantedOf(OTHER)).length, await leftOverAlerts(store)]).toEqual([[], 1, []]);
    // Once it is over the rest is forgotten.
    await transact(store, async (transaction) => void (await endRecovery(transaction, job)));
    await reports(DISCARDED);
    expect(await wantedOf(AWAY)).toMatchObject([{ goal: RELEASED }]);
    await reports(RELEASED);
    expect(await wantedOf(AWAY)).toEqual([]);
  });

  it('that is over in the meantime is let go of entirely', async () => {
    await reports(RUNNING);
    await transact(store, async (transaction) => void (await endRecovery(transaction, job)));
    await reports(DISCARDED, WORKING);
    expect(await wantedOf(AWAY)).toMatchObject([{ goal: RELEASED }]);
    await reports(RELEASED);
    expect([await wantedOf(AWAY), await leftOverAlerts(store)]).toEqual([[], []]);
  });

  it('goes on with it under a new identity after it was removed', async () => {
    const { runId } = (await find(store, recoveries, OPERATION))!.value;
    await transact(store, async (transaction) => transaction.delete(servers, OTHER));
    // Another run of the same is none of it.
    await reports(RUNNING);
    expect(await wantedOf(AWAY)).toMatchObject([{ goal: DISCARDED }]);
    await reports(DISCARDED, REACHED, { runId: idBytes(runId) });
    expect(await wantedOf(AWAY)).toMatchObject([{ goal: DISCARDED, runId: idBytes(runId) }]);
    expect(await wantedOf(OTHER)).toEqual([]);
    expect((await find(store, recoveries, OPERATION))!.value.serverId).toBe(AWAY);
    expect(await find(store, leftOvers, `${AWAY}/${OPERATION}`)).toBeUndefined();
  });
});
