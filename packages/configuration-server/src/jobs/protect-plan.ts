import { HoldfastError } from '@holdfast/errors';
import { type AgentReport, DiskPhase, ProtectionState } from '@holdfast/protocol';
import type { AgentPresence, ServerPresence } from '../control/presence.ts';
import { find } from '../records/kind.ts';
import { assignments, machines, policyUses, protections } from '../records/kinds.ts';
import type { Transaction } from '../records/transaction.ts';
import { forgetRelease, releaseFenceStep } from '../recovery/release-fence.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaultName } from '../vaults/vault-record.ts';
import type { JobPlan } from './job-plan.ts';
import type { JobRecord, StepProgress } from './job-record.ts';
import { chooseFor, everySecond, inForce, protectionOf, serverName, tellServerStep } from './steps.ts';
import { until } from './until.ts';

export interface PlanParts {
  readonly store: StateStore;
  readonly notifier: Notifier;
  readonly agents: AgentPresence;
  readonly servers: ServerPresence;
}

/** All is copied, but there is no point yet. */
const NEARLY = 0.99;

/** How far the first copy is. */
const copied = (report: AgentReport | undefined): StepProgress => {
  const disks = report?.disks.filter(({ phase }) => phase !== DiskPhase.UNPROTECTED) ?? [];
  const size = disks.reduce((sum, disk) => sum + Number(disk.size), 0);
  if (size === 0) return { detail: 'the machine has not said yet how far it is', fraction: -1 };
  const done = disks.reduce((sum, disk) => sum + Number(disk.copiedBytes), 0);
  return { detail: `${done} of ${size} bytes copied`, fraction: Math.min(done / size, NEARLY) };
};

/** Counts the protections of a policy, so that one in use is not deleted. */
export const countUse = async (transaction: Transaction, policyId: string, more: 1 | -1): Promise<void> => {
  const before = (await transaction.read(policyUses, policyId))?.value.protections ?? 0;
  transaction.put(policyUses, policyId, { protections: Math.max(0, before + more) });
};

/** Takes a protection away with all that belongs to it. */
export const forgetProtection = async (
  transaction: Transaction,
  { machineId, protectionId }: Pick<JobRecord, 'machineId' | 'protectionId'>,
): Promise<void> => {
  const protection = await transaction.read(protections, protectionId);
  const machine = await transaction.read(machines, machineId);
  if (protection !== undefined) {
    if (protection.value.processServerId !== '') transaction.delete(assignments, `${protection.value.processServerId}/${machineId}`);
    transaction.delete(protections, protectionId);
    await countUse(transaction, protection.value.policyId, -1);
  }
  if (machine?.value.protectionId === protectionId) transaction.put(machines, machineId, { ...machine.value, protectionId: '' });
};

/** From a protection that is only written down to the first recovery point. */
export const createProtectPlan = ({ store, notifier, agents, servers: presence }: PlanParts): JobPlan => {
  const choose = (wanted: string, vault: string): Promise<string | undefined> => chooseFor(store, presence, vault, wanted);

  const releaseFence = releaseFenceStep(store, presence);
  return {
    steps: ({ input }) => [
      ...(input?.['releases'] === undefined ? [] : [releaseFence]),
      {
        name: 'choose process server',
        async wait(job, { signal, progress }) {
          const { vault } = (await protectionOf(store, job)).value;
          progress({
            detail: `waiting for a connected process server that holds the vault ${await vaultName(store, vault)}`,
            fraction: -1,
          });
          await until(() => choose(job.wantedServer, vault), [everySecond], signal);
        },
        async apply(transaction, job) {
          const protection = await transaction.read(protections, job.protectionId);
          const machine = await transaction.read(machines, job.machineId);
          if (protection === undefined || machine === undefined)
            throw new HoldfastError('MACHINE_NOT_PROTECTED', { thing: job.machineId, why: 'it is gone', remedy: 'protect again' });
          const { vault } = protection.value;
          const chosen = await choose(job.wantedServer, vault);
          if (chosen === undefined)
            throw new HoldfastError('CONNECTION_LOST', {
              thing: `process server for vault ${await vaultName(store, vault)}`,
              why: 'it went away a moment ago',
              remedy: 'wait for it',
            });
          transaction.put(assignments, `${chosen}/${job.machineId}`, { vault, machineName: machine.value.name });
          transaction.put(protections, job.protectionId, { ...protection.value, processServerId: chosen });
          return `${await serverName(store, chosen)} receives it`;
        },
      },
      {
        ...tellServerStep(store, presence, async (job) => (await protectionOf(store, job)).value.processServerId),
        apply: async () => 'it is ready',
      },
      {
        name: 'tell machine',
        async wait(job, { signal, progress }) {
          const { processServerId } = (await protectionOf(store, job)).value;
          const assigned = await find(store, assignments, `${processServerId}/${job.machineId}`);
          progress({ detail: 'waiting for the machine to begin', fraction: -1 });
          const ready = inForce(() => agents.get(job.machineId), assigned?.version ?? 0);
          await until(ready, [(listener) => agents.subscribe(job.machineId, listener)], signal);
        },
        apply: async () => 'it has begun',
      },
      {
        name: 'first copy',
        async wait(job, { signal, progress }) {
          const look = async (): Promise<true | undefined> => {
            progress(copied(agents.get(job.machineId)?.report));
            const { state } = (await protectionOf(store, job)).value;
            return state === ProtectionState.PROTECTED || state === ProtectionState.RESYNCHRONIZING ? true : undefined;
          };
          const stored = (listener: () => void) => notifier.subscribe([protections.key(job.protectionId)], listener);
          await until(look, [stored, (listener) => agents.subscribe(job.machineId, listener)], signal);
        },
        apply: async () => 'the first recovery point is in the vault',
      },
    ],
    async cancelled(transaction, job) {
      forgetRelease(transaction, job);
      await forgetProtection(transaction, job);
    },
    async failed(transaction, { protectionId }, error) {
      const protection = await transaction.read(protections, protectionId);
      if (protection === undefined) return;
      transaction.put(protections, protectionId, { ...protection.value, state: ProtectionState.FAILED, stateDetail: error.message });
    },
    async retried(transaction, { machineId, protectionId }, failed) {
      const protection = await transaction.read(protections, protectionId);
      if (protection === undefined)
        throw new HoldfastError('MACHINE_NOT_PROTECTED', { thing: machineId, why: 'its protection is gone', remedy: 'protect it again' });
      if (protection.value.state === ProtectionState.FAILED)
        transaction.put(protections, protectionId, { ...protection.value, state: ProtectionState.PREPARING, stateDetail: '' });
      return failed;
    },
  };
};
