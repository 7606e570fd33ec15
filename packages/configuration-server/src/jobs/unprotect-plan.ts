import { hasInForce } from '../control/presence.ts';
import { find } from '../records/kind.ts';
import { protections } from '../records/kinds.ts';
import type { JobPlan } from './job-plan.ts';
import { forgetProtection, type PlanParts } from './protect-plan.ts';
import { until } from './until.ts';

/** Ends a protection whose stop is written down already. What is in the vault stays there. */
export const createUnprotectPlan = ({ store, agents }: Pick<PlanParts, 'store' | 'agents'>): JobPlan => ({
  steps: [
    {
      name: 'tell machine',
      async wait(job, { signal, progress }) {
        progress({ detail: 'waiting for the machine to stop', fraction: -1 });
        const stopping = await find(store, protections, job.protectionId);
        const look = (): string | undefined => {
          const known = agents.get(job.machineId);
          if (known === undefined || !known.connected) return 'it is not connected: it is told when it comes back';
          return hasInForce(known, stopping?.version ?? 0) ? 'it has stopped' : undefined;
        };
        const detail = await until(look, [(listener) => agents.subscribe(job.machineId, listener)], signal);
        if (detail !== undefined) progress({ detail, fraction: -1 });
      },
    },
    {
      name: 'end protection',
      async apply(transaction, job) {
        await forgetProtection(transaction, job);
        return 'its points stay in the vault';
      },
    },
  ],
  // The machine may have stopped already: what was begun is brought to its end.
  cancelled: forgetProtection,
  failed: async () => undefined,
  retried: async (_, __, failed) => failed,
});
