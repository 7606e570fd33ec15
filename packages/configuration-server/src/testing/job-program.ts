// A program that carries jobs out and may die at any commit, for specs.
import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { AgentHelloSchema, AgentReportSchema, ServerHelloSchema, ServerReportSchema } from '@holdfast/protocol';
import { type AgentPresence, createPresence, type ServerPresence } from '../control/presence.ts';
import { createJobEngine } from '../jobs/job-engine.ts';
import type { JobPlan } from '../jobs/job-plan.ts';
import { hasEnded, type JobKind, jobs } from '../jobs/job-record.ts';
import { createMovePlan } from '../jobs/move-plan.ts';
import { createPointPlan } from '../jobs/point-plan.ts';
import { createProtectPlan } from '../jobs/protect-plan.ts';
import { createUnprotectPlan } from '../jobs/unprotect-plan.ts';
import { until } from '../jobs/until.ts';
import { createPlanJob } from '../plans/plan-job.ts';
import { createProofPlan } from '../proofs/proof-plan.ts';
import { find } from '../records/kind.ts';
import { createQuestions } from '../recovery/questions.ts';
import { createRecoveryPlans } from '../recovery/recovery-plans.ts';
import { createNotifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';

const idOf = (digit: string): string => digit.repeat(32);
/** Ids of the machine, of two process servers that hold the vault "office", of the protection and its policy. */
export const [MACHINE, GATEWAY, PROTECTION, POLICY, OTHER] = [idOf('a'), idOf('b'), idOf('c'), idOf('d'), idOf('e')];
const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };

/** A member that has always in force what is wanted. */
const always = <H, R>(presence: ReturnType<typeof createPresence<H, R>>, id: string, hello: H, report: R): void => {
  const session = presence.open(id, hello, () => undefined);
  session.told(Number.MAX_SAFE_INTEGER, 0);
  session.reported(report);
};

const presences = (): { readonly agents: AgentPresence; readonly servers: ServerPresence } => {
  const agents: AgentPresence = createPresence();
  const gateways: ServerPresence = createPresence();
  always(agents, MACHINE, create(AgentHelloSchema), create(AgentReportSchema));
  for (const id of [GATEWAY, OTHER])
    always(gateways, id, create(ServerHelloSchema, { vaults: ['office'], endpoints: ['x:1'] }), create(ServerReportSchema));
  return { agents, servers: gateways };
};

/** The store as a program sees it that dies at its commit number `last`: before it is made, or before its answer comes. */
export const dying = (store: StateStore, last: number, when: 'before' | 'after'): StateStore & { readonly died: () => boolean } => {
  let made = 0;
  let dead = false;
  const die = (): never => {
    dead = true;
    throw new Error('killed');
  };
  return {
    ...store,
    died: () => dead,
    get: async (key) => (dead ? die() : store.get(key)),
    list: async (options) => (dead ? die() : store.list(options)),
    async commit(commit) {
      if (dead || (made === last && when === 'before')) die();
      const revision = await store.commit(commit);
      made += 1;
      if (made > last) die();
      return revision;
    },
  };
};

/** Resolves when the job has ended, or when `signal` aborts. */
export const untilEnded = async (store: StateStore, job: string, signal: AbortSignal): Promise<void> => {
  const stop = new AbortController();
  const notifier = createNotifier(store);
  const watching = notifier.run(stop.signal);
  const look = async (): Promise<true | undefined> => {
    const found = await find(store, jobs, job);
    return found !== undefined && hasEnded(found.value) ? true : undefined;
  };
  await until(look, [(listener) => notifier.subscribe([jobs.key(job)], listener)], signal);
  stop.abort();
  await watching;
};

/** The plans of jobs over `store`, where everybody is there and has in force what is wanted. */
export const planOf = (store: StateStore): { plans: Record<JobKind, JobPlan>; notifier: ReturnType<typeof createNotifier> } => {
  const notifier = createNotifier(store);
  const parts = { store, notifier, ...presences() };
  const questions = createQuestions(parts.servers);
  const recoveryPlans = createRecoveryPlans({ ...parts, questions });
  return {
    notifier,
    plans: {
      protect: createProtectPlan(parts),
      unprotect: createUnprotectPlan(parts),
      point: createPointPlan(parts),
      move: createMovePlan(parts),
      ...recoveryPlans,
      proof: createProofPlan({ ...parts, questions }),
      'recovery-plan': createPlanJob({ ...parts, questions, plans: recoveryPlans, scripts: undefined, scriptLimit: 1000 }),
    },
  };
};

/** Runs an engine over `store` until the job has ended, or until the program it stands for is dead. */
export const runProgram = async (store: StateStore, real: StateStore, id: string, own?: JobPlan): Promise<void> => {
  const stop = new AbortController();
  const { plans: usual, notifier } = planOf(store);
  const plans = own === undefined ? usual : (Object.fromEntries(Object.keys(usual).map((kind) => [kind, own])) as typeof usual);
  const engine = createJobEngine({ store, notifier, plans, log });
  const changes = notifier.run(stop.signal);
  const work = engine.run(stop.signal).catch(() => stop.abort());
  await untilEnded(real, id, stop.signal);
  stop.abort();
  await Promise.all([changes, work]);
};
