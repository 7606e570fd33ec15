import { create } from '@bufbuild/protobuf';
import {
  idBytes,
  ProtectionSchema,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  RecoveryReportSchema,
  ServerReportSchema,
} from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { find, listAll } from '../records/kind.ts';
import { protections, SITE, type SiteRecord, servers as serverKind, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { takeRecoveries } from '../recovery/adopt-recoveries.ts';
import { leftOvers } from '../recovery/left-overs.ts';
import { openRecoveries, type RecoveryRecord, recoveries, wantedRecoveries } from '../recovery/recovery-record.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import type { StateStore } from '../state/state-store.ts';
import { recoveryDifferences, takeCarriedOut } from './carried-out.ts';

const id = (digit: string): string => digit.repeat(32);
const [RECOVERY, MACHINE, OWN, OTHER, RUN, NEXT, POINT] = ['1', '2', '3', '4', '5', '6', '7'].map(id) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];

describe('a failover of which more happened than a restored server knows', () => {
  let store: StateStore;
  /** What connected process servers tell. */
  let told: Map<string, string | undefined>;
  const reportOf = (run: string | undefined) =>
    run === undefined
      ? []
      : [
          create(RecoveryReportSchema, {
            ...{ id: idBytes(RECOVERY), runId: idBytes(run), machineId: idBytes(MACHINE), pointId: idBytes(POINT) },
            ...{ kind: RecoveryKind.FAILOVER, goal: RecoveryGoal.RUNNING, vault: 'office', pointUnixMillis: 9n },
          }),
        ];
  const servers = {
    connected: () => [...told.keys()],
    get: (server: string) =>
      told.has(server)
        ? { connected: true, hello: { vaults: ['office'] }, report: create(ServerReportSchema, { recoveries: reportOf(told.get(server)) }) }
        : undefined,
  } as unknown as ServerPresence;
  const restored = (record: SiteRecord['restored']) =>
    transact(store, async (transaction) =>
      transaction.put(sites, SITE, { id: id('8'), ...(record === undefined ? {} : { restored: record }) } as SiteRecord),
    );
  const tell = async (server: string, run: string): Promise<void> => {
    told.set(server, run);
    await takeCarriedOut({ store, servers }, server, reportOf(run));
    await takeRecoveries(store, { server, vaults: ['office'] }, reportOf(run));
  };
  const known = async () => (await find(store, recoveries, RECOVERY))!.value;
  const ordered = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const one of listAll(store, leftOvers)) found.push(one.id);
    return found;
  };

  beforeEach(async () => {
    store = createMemoryStore({ events: 100, audit: 100, changes: 1000 });
    told = new Map();
    const record = { kind: 'failover', machineId: MACHINE, machineName: 'db1', serverId: OWN, runId: RUN, vault: 'office', target: {} };
    const point = { id: id('9'), time: 1, kind: 1, disks: [], unreadable: 0 };
    await transact(store, async (transaction) => {
      transaction.put(recoveries, RECOVERY, { ...record, point, goal: 'running', state: 'running' } as unknown as RecoveryRecord);
      transaction.put(openRecoveries, `${MACHINE}/failover`, { recovery: RECOVERY });
      transaction.put(wantedRecoveries, `${OWN}/${RECOVERY}`, {});
      for (const [server, name] of [[OWN, 'gw1'] as const, [OTHER, 'gw2'] as const])
        transaction.put(serverKind, server, { name, role: 'process-server' } as never);
    });
    await restored({ from: 'backup', made: 1, at: 2 } as unknown as SiteRecord['restored']);
  });

  it('is what its process server carries out: another point that was chosen since is not taken back', async () => {
    told.set(OWN, NEXT);
    expect(await recoveryDifferences({ store, servers })).toEqual([expect.stringContaining('db1 is carried out by gw1 otherwise')]);
    await tell(OWN, NEXT);
    expect(await recoveryDifferences({ store, servers })).toEqual([]);
    expect(await known()).toMatchObject({ serverId: OWN, runId: NEXT, point: { id: POINT, time: 9 } });
    expect((await store.events({ limit: 9 })).map(({ code }) => code)).toEqual(['recovery-adopted']);
    await tell(OWN, NEXT);
    expect((await store.events({ limit: 9 })).length).toBe(1);
  });

  it('is where it was handed over to, once its own server says that it has nothing of it; nothing is removed before', async () => {
    await tell(OTHER, NEXT);
    expect([await known(), await ordered()]).toMatchObject([{ serverId: OWN, runId: RUN }, []]);
    expect(await recoveryDifferences({ store, servers })).toEqual([expect.stringContaining('db1 is carried out by gw2')]);
    told.set(OWN, undefined);
    await tell(OTHER, NEXT);
    expect([await known(), await ordered()]).toMatchObject([{ serverId: OTHER, runId: NEXT }, []]);
    expect(await find(store, wantedRecoveries, `${OWN}/${RECOVERY}`)).toBeUndefined();
    expect(await find(store, wantedRecoveries, `${OTHER}/${RECOVERY}`)).toBeDefined();
    expect(await recoveryDifferences({ store, servers })).toEqual([]);
  });

  it('stays where it is known while both carry it out: that is for people', async () => {
    await tell(OWN, RUN);
    await tell(OTHER, NEXT);
    expect([await known(), await ordered()]).toMatchObject([{ serverId: OWN, runId: RUN }, []]);
    expect(await recoveryDifferences({ store, servers })).toHaveLength(1);
  });

  it('is no commit where it is a test, whoever says so, nor a test where it is a failover', async () => {
    const protectionId = id('a');
    const change = (part: Partial<RecoveryRecord>) =>
      transact(store, async (transaction) => {
        const before = (await transaction.read(recoveries, RECOVERY))!.value;
        transaction.put(recoveries, RECOVERY, { ...before, protectionId, ...part });
      });
    await transact(store, async (transaction) =>
      transaction.put(protections, protectionId, create(ProtectionSchema, { state: ProtectionState.PROTECTED })),
    );
    const claim = (kind: RecoveryKind, goal: RecoveryGoal) => {
      const [report] = reportOf(NEXT);
      told.set(OWN, NEXT);
      return takeCarriedOut({ store, servers }, OWN, [create(RecoveryReportSchema, { ...report!, kind, goal })]);
    };
    await claim(RecoveryKind.TEST, RecoveryGoal.RUNNING);
    expect(await known()).toMatchObject({ runId: RUN });
    await change({ kind: 'test' });
    await claim(RecoveryKind.TEST, RecoveryGoal.INDEPENDENT);
    const { state } = (await find(store, protections, protectionId))!.value;
    expect([await known(), state]).toMatchObject([{ runId: RUN, goal: 'running' }, ProtectionState.PROTECTED]);
    await claim(RecoveryKind.TEST, RecoveryGoal.RUNNING);
    expect(await known()).toMatchObject({ runId: NEXT, goal: 'running' });
  });

  it.each([
    [false, ProtectionState.COMMITTING, 'commit it again'],
    [true, ProtectionState.FAILED_OVER, 'held no more'],
  ])('is independent, and was committed unless that was cancelled: %s', async (commitCancelled, state, words) => {
    const protectionId = id('a');
    await transact(store, async (transaction) => {
      const before = (await transaction.read(recoveries, RECOVERY))!.value;
      transaction.put(recoveries, RECOVERY, { ...before, protectionId });
      transaction.put(protections, protectionId, create(ProtectionSchema, { state: ProtectionState.FAILED_OVER }));
    });
    const [report] = reportOf(RUN);
    told.set(OWN, RUN);
    await takeCarriedOut({ store, servers }, OWN, [
      create(RecoveryReportSchema, { ...report!, goal: RecoveryGoal.INDEPENDENT, commitCancelled }),
    ]);
    expect(await known()).toMatchObject({ goal: 'independent', commitCancelled });
    expect((await find(store, protections, protectionId))!.value).toMatchObject({ state, stateDetail: expect.stringContaining(words) });
  });

  it('is as it is known to a server that was not restored', async () => {
    await restored(undefined);
    await tell(OWN, NEXT);
    expect(await known()).toMatchObject({ runId: RUN });
    await tell(OTHER, NEXT);
    expect(await ordered()).toEqual([`${OTHER}/${RECOVERY}`]);
  });
});
