import { idText, RecoveryKind, type RecoveryReport } from '@holdfast/protocol';
import { find } from '../records/kind.ts';
import type { StateStore } from '../state/state-store.ts';
import { type RecoveryRecord, recoveries } from './recovery-record.ts';

/** A machine that people work with, and that does not run. */
export interface MachineOff {
  readonly machineId: string;
  readonly machineName: string;
  readonly text: string;
}

const WORKED_WITH: readonly RecoveryRecord['state'][] = ['running', 'committed'];

/** Of what a process server reports: machines that were failed over and are off, whoever switched them off. */
export const machinesOff = async (
  store: StateStore,
  server: { readonly id: string; readonly name: string },
  reports: readonly RecoveryReport[],
): Promise<readonly MachineOff[]> => {
  const found: MachineOff[] = [];
  for (const { id, runId, kind, machine, problem } of reports) {
    if (kind !== RecoveryKind.FAILOVER || machine?.state !== 'stopped') continue;
    const recovery = (await find(store, recoveries, idText(id)))?.value;
    if (recovery === undefined || recovery.serverId !== server.id || recovery.runId !== idText(runId)) continue;
    if (!WORKED_WITH.includes(recovery.state) || recovery.fenceReleased !== undefined) continue;
    const { machineId, machineName } = recovery;
    const why = problem === '' ? 'its own system, or somebody on that host, switched it off' : problem;
    found.push({
      machineId,
      machineName,
      text: `${machineName}, failed over to ${server.name}, is off: ${why}; its console: ${machine.console}`,
    });
  }
  return found;
};
