import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ProtectionState } from '@holdfast/protocol';
import { describeOperations, judge, MACHINE_OPERATIONS, MACHINE_STATES, machineState } from './operations.ts';
import { refusal } from './require-operation.ts';

/** What is possible, said once more and the other way round: by state. */
const POSSIBLE: Readonly<Record<string, readonly string[]>> = {
  unprotected: ['protect', 'remove'],
  preparing: ['unprotect', 'update', 'move', 'make-point', 'remove'],
  copying: ['unprotect', 'update', 'move', 'make-point', 'remove'],
  protected: ['unprotect', 'update', 'move', 'make-point', 'resynchronize', 'remove', 'test-failover', 'prove', 'failover'],
  resynchronizing: ['unprotect', 'update', 'move', 'make-point', 'resynchronize', 'remove', 'test-failover', 'prove', 'failover'],
  failed: ['unprotect', 'update', 'move', 'make-point', 'resynchronize', 'remove', 'test-failover', 'prove', 'failover'],
  stopping: ['remove'],
  'failing-over': ['change-point', 'cancel-failover'],
  'failed-over': ['test-failover', 'prove', 'change-point', 'cancel-failover', 'commit'],
  cancelling: ['cancel-failover'],
  committing: ['commit'],
  committed: ['unprotect', 'remove', 'test-failover', 'prove'],
  reprotecting: ['unprotect', 'update', 'remove', 'test-failover', 'prove'],
  'protected-back': ['unprotect', 'update', 'make-point', 'resynchronize', 'test-failover', 'prove'],
  'failing-back': [],
  'failed-back': [],
};
/** What the table has and this version has not: said in every state. */
const LATER: readonly string[] = ['reprotect', 'failback', 'cancel-failback', 're-enable'];
const STOPPED_BY_TEST = ['unprotect', 'remove', 'test-failover'];

const EVERY = MACHINE_STATES.flatMap((state) => MACHINE_OPERATIONS.map((operation) => [state, operation] as const));

describe('what is possible with a machine', () => {
  it('knows every state of a protection, each once', () => {
    const states = Object.values(ProtectionState).filter((one) => typeof one === 'number') as ProtectionState[];
    expect(states.map(machineState).toSorted()).toEqual([...MACHINE_STATES].toSorted());
    expect(machineState(undefined)).toBe('unprotected');
    expect(Object.keys(POSSIBLE)).toEqual(MACHINE_STATES);
  });

  it.each(EVERY)('in %s: %s', (state, operation) => {
    for (const test of [false, true]) {
      const there = { test, recovered: test, committed: !test };
      const verdict = judge(state, operation, there);
      const later = LATER.includes(operation);
      const expected =
        operation === 'clean-up-test' || operation === 'start-machine'
          ? test
          : operation === 'forget-recovery'
            ? !test
            : POSSIBLE[state]!.includes(operation) && !(test && STOPPED_BY_TEST.includes(operation));
      expect(verdict.allowed).toBe(expected);
      if (verdict.allowed) {
        expect(refusal('web1', state, operation, there)).toBeUndefined();
        continue;
      }
      expect(verdict.since).toBe(later ? '0.5' : undefined);
      const error = refusal('web1', state, operation, there)!;
      expect(error.thing).toContain('web1');
      expect(error.why.length).toBeGreaterThan(10);
      expect(error.remedy.length).toBeGreaterThan(10);
      const code = later
        ? 'UNSUPPORTED_OPERATION'
        : operation === 'protect'
          ? 'MACHINE_PROTECTED'
          : state === 'unprotected' && !['clean-up-test', 'remove', 'start-machine', 'forget-recovery'].includes(operation)
            ? 'MACHINE_NOT_PROTECTED'
            : 'OPERATION_REFUSED';
      expect(error.code).toBe(code);
    }
  });

  it('is what the manual says', () => {
    const manual = readFileSync(path.join(__dirname, '../../../../docs/recovery.md'), 'utf8');
    expect(manual).toContain(describeOperations());
  });
});
