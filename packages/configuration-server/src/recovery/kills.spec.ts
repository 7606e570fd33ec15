import { ProtectionState } from '@holdfast/protocol';
import { type JobKind, jobs } from '../jobs/job-record.ts';
import { find, listAll } from '../records/kind.ts';
import { protections } from '../records/kinds.ts';
import type { StateStore } from '../state/state-store.ts';
import { dying } from '../testing/job-program.ts';
import { order, PROTECTION, prepare, runProgram } from '../testing/recovery-program.ts';
import { openRecoveries, recoveries, wantedRecoveries } from './recovery-record.ts';

/** All that is left in the end, without names and times that differ from run to run. */
const remains = async (store: StateStore, jobId: string) => {
  const job = (await find(store, jobs, jobId))!.value;
  const all = async <T>(kind: Parameters<typeof find<T>>[1]): Promise<T[]> => {
    const found: T[] = [];
    for await (const { value } of listAll<T>(store, kind)) found.push(value);
    return found;
  };
  const events = (await store.events({ limit: 100 })).map(({ code }) => code).toSorted();
  return {
    job: [job.state, job.steps.map(({ state }) => state)],
    protection: (await find(store, protections, PROTECTION))!.value.state,
    recoveries: (await all(recoveries)).map(({ kind, state, goal, point, ended }) => [kind, state, goal, point?.id, ended > 0]),
    open: (await all(openRecoveries)).length,
    wanted: (await all(wantedRecoveries)).length,
    events,
  };
};

/** What is done, behind what; the state it ends in, recoveries that are open then, and those a process server still carries out. */
const CASES: readonly (readonly [JobKind, readonly JobKind[], ProtectionState, number, number])[] = [
  ['test-failover', [], ProtectionState.PROTECTED, 1, 1],
  ['clean-up-test', ['test-failover'], ProtectionState.PROTECTED, 0, 0],
  ['failover', [], ProtectionState.FAILED_OVER, 1, 1],
  ['change-point', ['failover'], ProtectionState.FAILED_OVER, 1, 1],
  ['cancel-failover', ['failover'], ProtectionState.PROTECTED, 0, 0],
  ['commit', ['failover'], ProtectionState.COMMITTED, 0, 1],
];

describe('a configuration server that is killed between any two commits', () => {
  it.each(CASES)(
    'ends a %s the same',
    async (kind, before, state, open, wanted) => {
      const undisturbed = await prepare(before);
      const whole = await order(undisturbed, kind);
      await runProgram(undisturbed, undisturbed, whole);
      const expected = await remains(undisturbed, whole);
      expect([expected.job[0], expected.protection, expected.open, expected.wanted]).toEqual(['succeeded', state, open, wanted]);
      for (const when of ['before', 'after'] as const)
        for (let death = 0; ; death += 1) {
          const store = await prepare(before);
          const job = await order(store, kind);
          const mortal = dying(store, death, when);
          await runProgram(mortal, store, job);
          if (!mortal.died()) break;
          await runProgram(store, store, job);
          expect([when, death, await remains(store, job)]).toEqual([when, death, expected]);
        }
    },
    120_000,
  );
});
