import { create } from '@bufbuild/protobuf';
import {
  idBytes,
  idText,
  ProtectionState,
  RecoveryGoal,
  RecoveryKind,
  type RecoveryReport,
  RecoveryReportSchema,
  RecoveryStage,
} from '@holdfast/protocol';
import type { ServerPresence } from '../control/presence.ts';
import { type JobKind, jobs } from '../jobs/job-record.ts';
import { find, listAll } from '../records/kind.ts';
import { protections, SITE, type SiteRecord, sites } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { goalOf, recoveries } from '../recovery/recovery-record.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying } from '../testing/job-program.ts';
import { MACHINE, order, PROTECTION, prepare, runProgram, SERVER } from '../testing/recovery-program.ts';
import { takeCarriedOut } from './carried-out.ts';

const { RUNNING, INDEPENDENT } = RecoveryGoal;

/** What the process server runs of the one recovery when the backup comes back. */
const carriedOut = async (store: StateStore, goal: RecoveryGoal, run?: string): Promise<RecoveryReport> => {
  for await (const { id, value } of listAll(store, recoveries))
    return create(RecoveryReportSchema, {
      id: idBytes(id),
      runId: idBytes(run ?? value.runId),
      kind: RecoveryKind.FAILOVER,
      machineId: idBytes(MACHINE),
      pointId: idBytes('d'.repeat(32)),
      vault: 'office',
      goal,
      stage: RecoveryStage.REACHED,
      machine: { state: 'running' },
    });
  throw new Error('there is no recovery');
};

/** Restores: what process servers tell is taken up, and then members are told again what is wanted. */
const restore = async (store: StateStore, report: RecoveryReport): Promise<void> => {
  const site = (restored: SiteRecord['restored']) =>
    transact(store, async (transaction) =>
      transaction.put(sites, SITE, { id: '8'.repeat(32), ...(restored === undefined ? {} : { restored }) } as SiteRecord),
    );
  await site({ from: 'backup', made: 1, at: 2 } as unknown as SiteRecord['restored']);
  const servers = {
    connected: () => [SERVER],
    get: () => ({ connected: true, hello: { vaults: ['office'] }, report: { recoveries: [report] } }),
  } as unknown as ServerPresence;
  await takeCarriedOut({ store, servers }, SERVER, [report]);
  await site(undefined);
};

const CASES: readonly (readonly [JobKind, readonly JobKind[], RecoveryGoal, 'same run' | 'another run', ProtectionState])[] = [
  ['failover', [], RUNNING, 'same run', ProtectionState.FAILED_OVER],
  ['failover', [], RUNNING, 'another run', ProtectionState.FAILED_OVER],
  ['failover', [], INDEPENDENT, 'same run', ProtectionState.COMMITTING],
  ['change-point', ['failover'], RUNNING, 'another run', ProtectionState.FAILED_OVER],
];

describe('a backup made at any moment of a job, and restored when that is long over', () => {
  it.each(CASES)(
    'of a %s, behind %j: goal %d, %s',
    async (kind, before, goal, which, state) => {
      let backups = 0;
      for (let death = 0; ; death += 1) {
        const store = await prepare(before);
        const job = await order(store, kind);
        const mortal = dying(store, death, 'after');
        await runProgram(mortal, store, job);
        if (!mortal.died()) break;
        if ((await find(store, jobs, job))!.value.state === 'succeeded') break;
        backups += 1;
        const report = await carriedOut(store, goal, which === 'same run' ? undefined : '7'.repeat(32));
        await restore(store, report);
        const wanted = new Set<string>();
        const noted: StateStore = {
          ...store,
          async commit(commit) {
            const revision = await store.commit(commit);
            for await (const { value } of listAll(store, recoveries)) wanted.add(`${value.goal} of run ${value.runId}`);
            return revision;
          },
        };
        await runProgram(noted, store, job, () => report);
        // Nothing else was ever wanted: what runs by now is not removed.
        expect([death, [...wanted]]).toEqual([death, [`${goalOf(goal)} of run ${idText(report.runId)}`]]);
        expect((await find(store, jobs, job))!.value.state).toBe('succeeded');
        expect((await find(store, protections, PROTECTION))!.value.state).toBe(state);
      }
      expect(backups).toBeGreaterThan(2);
    },
    60_000,
  );
});
