import { hasEnded, jobs } from '../jobs/job-record.ts';
import { openJobOf } from '../jobs/open-job-of.ts';
import { forgetProtection } from '../jobs/protect-plan.ts';
import { find, listAll } from '../records/kind.ts';
import { machines, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';
import { vaults } from './vault-record.ts';
import { protectedInto } from './vault-use.ts';

/** Ends one protection whose vault was given up by force. */
const endProtection = (store: StateStore, protectionId: string, vault: string, actor: string): Promise<unknown> =>
  transact(store, async (transaction) => {
    const protection = await transaction.read(protections, protectionId);
    if (protection === undefined) return;
    const { machineId } = protection.value;
    const name = (await find(store, machines, machineId))?.value.name ?? machineId;
    const open = await openJobOf(store, machineId, transaction);
    const job = open === undefined ? undefined : await transaction.read(jobs, open.id);
    // What it waits for will never come.
    if (job !== undefined && !hasEnded(job.value)) transaction.put(jobs, job.id, { ...job.value, cancelling: true });
    await forgetProtection(transaction, { machineId, protectionId });
    transaction.event({
      severity: 'critical',
      code: 'protection-ended',
      text: `${name} is not protected any more: its vault ${vault} was given up by force. What was not in it yet is lost, and what is in it can be recovered if it comes back`,
      subject: machineId,
      actor,
    });
    transaction.audit({ actor, action: 'Unprotect', subject: machineId, detail: `${name}, vault ${vault} was decommissioned` });
  });

/**
 * Ends the protections of vaults that were given up by force: that was decided in one commit, and follows in one for each machine. Done again at each start, so
 * that none is left whenever the program is killed. Gives the names of the machines.
 */
export const endForcedProtections = async (store: StateStore): Promise<readonly string[]> => {
  const ended: string[] = [];
  for await (const { id, value } of listAll(store, vaults)) {
    if (value.decommissioned?.forced !== true) continue;
    for (const { name, protection } of await protectedInto(store, id)) {
      await endProtection(store, protection.id, value.name, value.decommissioned.by);
      ended.push(name);
    }
  }
  return ended;
};
