import { idText, type LineState, ProtectionState } from '@holdfast/protocol';
import { bounded } from '../control/transitions.ts';
import { find, listAll } from '../records/kind.ts';
import { anchors, machines, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { isForGood, type RecoveryRecord, recoveries } from '../recovery/recovery-record.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';
import { boundedTerm } from './bounded-term.ts';

const ACTOR = 'reconciliation';

/** States in which a machine sends: those that a failover in the vault contradicts. */
export const SENDING: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.PREPARING,
  ProtectionState.COPYING,
  ProtectionState.PROTECTED,
  ProtectionState.RESYNCHRONIZING,
  ProtectionState.FAILED,
]);

const OVER: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.FAILING_OVER,
  ProtectionState.FAILED_OVER,
  ProtectionState.COMMITTING,
  ProtectionState.COMMITTED,
]);

const isOver = ({ failoverOperationId }: LineState): boolean => failoverOperationId.length > 0;

const withFence = ({ fenceReleased: _, ...recovery }: RecoveryRecord): RecoveryRecord => recovery;

/** Takes up what the logs of machines say: terms only grow, and a machine that was failed over is failed over here too. */
export const takeLines = async (store: StateStore, lines: readonly LineState[]): Promise<void> => {
  for (const line of lines) {
    if (line.machineId.length !== 16 || line.problemCode !== '') continue;
    const machineId = idText(line.machineId);
    await transact(store, async (transaction) => {
      const machine = await transaction.read(machines, machineId);
      const anchor = (await transaction.read(anchors, machineId))?.value ?? { term: 0, durableSequence: 0, durableTag: '' };
      const term = boundedTerm(anchor.term, line.term);
      if (term !== undefined && term > anchor.term) transaction.put(anchors, machineId, { ...anchor, term });
      const protectionId = machine?.value.protectionId ?? '';
      const protection = protectionId === '' ? undefined : await transaction.read(protections, protectionId);
      if (machine === undefined || protection === undefined || protection.value.vault !== line.vault) return;
      if (!isOver(line) || !SENDING.has(protection.value.state)) return;
      const operation = idText(line.failoverOperationId);
      const recovery = await transaction.read(recoveries, operation);
      // A backup may be of before its fence was released, or not: that of a committed one is there, and nobody may cancel it.
      const isCommitted = recovery !== undefined && isForGood(recovery.value);
      if (isCommitted) transaction.put(recoveries, operation, withFence(recovery.value));
      const state = isCommitted ? ProtectionState.COMMITTED : ProtectionState.FAILED_OVER;
      const detail = `its vault says so: operation ${operation.slice(0, 8)}, point ${idText(line.failoverPointId).slice(0, 8)}`;
      transaction.put(protections, protectionId, { ...protection.value, state, stateDetail: detail });
      transaction.event({
        severity: 'critical',
        code: 'failed-over-found',
        text: bounded(`${machine.value.name} is failed over, which was not known here: ${detail}. Its source sends nothing`),
        subject: machineId,
        actor: ACTOR,
      });
    });
  }
};

/** What the logs of machines say that this server does not, in words. `made` is of when this server's knowledge is. */
export const lineDifferences = async (store: StateStore, lines: readonly LineState[], made: number): Promise<readonly string[]> => {
  const words: string[] = [];
  const protectedIn = new Map<string, { readonly vault: string; readonly state: ProtectionState }>();
  for await (const { value } of listAll(store, protections)) protectedIn.set(value.machineId, value);
  for (const line of lines) {
    const machineId = idText(line.machineId);
    const vault = await vaultName(store, line.vault);
    const name = (await find(store, machines, machineId))?.value.name ?? (line.machineName || machineId.slice(0, 8));
    const known = protectedIn.get(machineId);
    if (line.problemCode !== '') words.push(`the log of ${name} in vault ${vault} cannot be read: ${line.problemCode} ${line.problem}`);
    else if (known === undefined && Number(line.newestPointUnixMillis) > made && !isOver(line))
      words.push(`${name} has made recovery points in vault ${vault} since, and this server knows nothing of its protection`);
    // What was told is seen here before it is taken up: nobody may be told to send in between.
    else if (known?.vault === line.vault && SENDING.has(known.state) && isOver(line))
      words.push(`${name} is failed over, says its vault ${vault}: that is being taken up`);
    else if (known?.vault === line.vault && OVER.has(known.state) && !isOver(line))
      words.push(`${name} is failed over as far as this server knows, and its vault ${vault} says that this has ended`);
  }
  return words.map(bounded);
};
