// Recovery plans of a scripted configuration server.
import { create } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { Direction, type Job, newId, PlanRunSchema, PlanService, RecoveryPlanSchema } from '@holdfast/protocol';
import { conflict, page, type Script } from './script.ts';

export const planRoutes = (router: ConnectRouter, script: Script, startJob: (kind: string, machineId: string) => Job): void => {
  router.service(PlanService, {
    listPlans: (request) => {
      const { rows, nextPageToken } = page(script.plans, request);
      return { plans: rows, nextPageToken };
    },
    createPlan: ({ plan }) => {
      const made = create(RecoveryPlanSchema, { ...plan!, id: newId(), version: 1n });
      script.plans.push(made);
      return { plan: made };
    },
    updatePlan: ({ plan }) => {
      const at = script.plans.findIndex(({ id }) => id === plan!.id);
      if (script.plans[at]?.version !== plan!.version) throw conflict(plan!.name);
      script.plans[at] = plan!;
      return { plan: plan! };
    },
    deletePlan: ({ plan }) => {
      script.plans = script.plans.filter(({ id }) => id !== plan);
      return {};
    },
    checkPlan: () => ({
      steps: ['1. data: start db1'],
      findings: [{ level: 'error', subject: 'db1', text: 'it is not protected', remedy: 'protect it' }],
    }),
    runPlan: (request) => {
      script.orders.push(request);
      const job = startJob('recovery-plan', '');
      const run = create(PlanRunSchema, {
        id: newId(),
        planId: request.plan,
        planName: script.plans.find(({ id }) => id === request.plan)?.name ?? '',
        kind: request.kind,
        direction: Direction.FORWARD,
        state: 'running',
        jobId: job.id,
        rtoMillis: 4200n,
        machines: [{ machineId: 'a', machineName: 'db1', group: 1, state: 'running', runningAfterMillis: 4200n }],
      });
      script.runs.unshift(run);
      return { job, run };
    },
    cleanUpRun: (request) => {
      script.orders.push(request);
      return { jobs: [startJob('clean-up-test', script.machines[0]!.id!)] };
    },
    listRuns: (request) => {
      const { rows, nextPageToken } = page(
        script.runs.filter(({ planId }) => request.plan === '' || planId === request.plan),
        request,
      );
      return { runs: rows, nextPageToken };
    },
  });
};
