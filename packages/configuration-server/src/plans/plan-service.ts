import { toJson } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { HoldfastError } from '@holdfast/errors';
import {
  Direction,
  isId,
  type Job,
  newId,
  type PlanService,
  RecoveryKind,
  type RecoveryPlan,
  RecoveryPlanSchema,
} from '@holdfast/protocol';
import type { ApiParts } from '../api/api-parts.ts';
import { ID_PLACE, pagePlace, pageSize, pageToken } from '../api/paging.ts';
import { requireBridges } from '../api/require-bridges.ts';
import { requireVersion, resolve } from '../api/resolve.ts';
import { claimName, nameId } from '../enrolment/member-name.ts';
import { jobMessage } from '../jobs/job-message.ts';
import { newJobId } from '../jobs/job-record.ts';
import { startJob } from '../jobs/start-job.ts';
import { personOf } from '../listener/caller.ts';
import { find, listPage } from '../records/kind.ts';
import { machines, names } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { orderNext } from '../recovery/order-recovery.ts';
import { LATEST_GROUP, pointWord } from '../recovery/point-word.ts';
import { recoveries } from '../recovery/recovery-record.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import { checkPlan, describeSteps } from './check-plan.ts';
import { planMessage, runMessage } from './plan-message.ts';
import { openRuns, type PlanRunRecord, planRuns, recoveryPlans, runsOf } from './plan-record.ts';
import { completePlan, layoutOf } from './plan-rules.ts';

const kindOf = (kind: RecoveryKind): 'test' | 'failover' => {
  if (kind === RecoveryKind.TEST) return 'test';
  if (kind === RecoveryKind.FAILOVER) return 'failover';
  throw requestInvalid('kind', 'it is none', 'say whether it is a test or a failover');
};

const gone = (id: string): HoldfastError =>
  new HoldfastError('RESOURCE_NOT_FOUND', { thing: `plan ${id}`, why: 'it was deleted', remedy: 'see `holdfast plan list`' });

/** Recovery plans, their runs and what came of them. */
export const createPlanService = (parts: ApiParts): ServiceImpl<typeof PlanService> => {
  const { store, plans, planParts, checking } = parts;

  const nameOfMachines = async (plan: RecoveryPlan): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const { machine } of plan.groups.flatMap((group) => group.machines))
      found.set(machine, (await find(store, machines, machine))?.value.name ?? machine);
    return found;
  };

  /** Networks that the plan itself names; those of the protections were looked at when these were made. */
  const requireNetworks = async (plan: RecoveryPlan): Promise<void> => {
    const wishes = plan.groups.flatMap((group) => group.machines);
    await Promise.all(
      wishes.map(async ({ machine, target, processServer }) => {
        const found = target === undefined ? undefined : await find(store, machines, machine);
        if (found !== undefined && target !== undefined) await requireBridges(parts, found.value, target, processServer);
      }),
    );
  };

  return {
    async listPlans({ pageSize: size, pageToken: token }) {
      const page = await listPage(store, recoveryPlans, pageSize(size), pagePlace(token, ID_PLACE));
      return { plans: page.rows.map(planMessage), nextPageToken: pageToken(page.next) };
    },
    async getPlan({ plan }) {
      return { plan: planMessage(await resolve(store, recoveryPlans, 'plan', plan)) };
    },
    async createPlan({ plan }, { values }) {
      const { name: actor } = personOf(values);
      const value = await completePlan(store, plan);
      if (isId(value.name)) throw requestInvalid('plan', 'its name has the form of an id', 'choose another name');
      await requireNetworks(value);
      const id = newId();
      const { revision } = await transact(store, async (transaction) => {
        await claimName(transaction, 'plan', value.name, id);
        transaction.put(recoveryPlans, id, { ...value, id: '', version: 0n });
        transaction.event({ severity: 'information', code: 'plan-created', text: `Plan ${value.name} was created`, subject: id, actor });
        transaction.audit({ actor, action: 'CreatePlan', subject: id, detail: value.name });
      });
      return { plan: planMessage({ id, version: revision, value }) };
    },
    async updatePlan({ plan }, { values }) {
      const { name: actor } = personOf(values);
      const value = await completePlan(store, plan);
      const { id } = await resolve(store, recoveryPlans, 'plan', value.id || value.name);
      await requireNetworks(value);
      const { revision } = await transact(store, async (transaction) => {
        const stored = await transaction.read(recoveryPlans, id);
        if (stored === undefined) throw gone(id);
        requireVersion(`plan ${stored.value.name}`, stored.version, value.version);
        if (nameId('plan', stored.value.name) !== nameId('plan', value.name)) transaction.delete(names, nameId('plan', stored.value.name));
        await claimName(transaction, 'plan', value.name, id);
        transaction.put(recoveryPlans, id, { ...value, id: '', version: 0n });
        transaction.event({ severity: 'information', code: 'plan-changed', text: `Plan ${value.name} was changed`, subject: id, actor });
        transaction.audit({ actor, action: 'UpdatePlan', subject: id, detail: value.name });
      });
      return { plan: planMessage({ id, version: revision, value }) };
    },
    async deletePlan({ plan: wanted, version }, { values }) {
      const { name: actor } = personOf(values);
      const { id } = await resolve(store, recoveryPlans, 'plan', wanted);
      await transact(store, async (transaction) => {
        const stored = await transaction.read(recoveryPlans, id);
        if (stored === undefined) return;
        requireVersion(`plan ${stored.value.name}`, stored.version, version);
        if ((await transaction.read(openRuns, id)) !== undefined)
          throw new HoldfastError('JOB_RUNNING', {
            thing: `plan ${stored.value.name}`,
            why: 'a run of it is at work',
            remedy: 'wait for it, or cancel its job',
          });
        transaction.delete(recoveryPlans, id);
        transaction.delete(names, nameId('plan', stored.value.name));
        transaction.event({
          severity: 'information',
          code: 'plan-deleted',
          text: `Plan ${stored.value.name} was deleted`,
          subject: id,
          actor,
        });
        transaction.audit({ actor, action: 'DeletePlan', subject: id, detail: stored.value.name });
      });
      return {};
    },
    async checkPlan({ plan: wanted, kind }, { signal }) {
      const { value } = await resolve(store, recoveryPlans, 'plan', wanted);
      const findings = await checkPlan({ ...planParts, checking }, value, kindOf(kind), signal);
      const named = await nameOfMachines(value);
      return { findings, steps: describeSteps(value, (id) => named.get(id) ?? id) };
    },
    async runPlan({ plan: wanted, kind: asked, point, shutdownSource, force, direction }, { values }) {
      const { name: actor } = personOf(values);
      const kind = kindOf(asked);
      if (direction !== Direction.FORWARD)
        throw requestInvalid(
          'direction',
          'it was not confirmed: this goes from the sources to the recovery site',
          'send DIRECTION_FORWARD',
        );
      if (point !== LATEST_GROUP) pointWord(point);
      else if (shutdownSource)
        throw requestInvalid(
          'point',
          'sources that are shut down are recovered from their last points, not from one instant',
          'leave one of them out',
        );
      const { id: planId } = await resolve(store, recoveryPlans, 'plan', wanted);
      const { revision, result } = await transact(store, async (transaction) => {
        const stored = await transaction.read(recoveryPlans, planId);
        if (stored === undefined) throw gone(planId);
        const { value: plan } = stored;
        if ((await transaction.read(openRuns, planId)) !== undefined)
          throw new HoldfastError('JOB_RUNNING', {
            thing: `plan ${plan.name}`,
            why: 'a run of it is at work',
            remedy: 'wait for it, or cancel its job',
          });
        const named = await nameOfMachines(plan);
        const id = newJobId();
        const input = { plan: plan.name, run: id, layout: layoutOf(plan), kind, ...(point === LATEST_GROUP && { point }) };
        const job = startJob(transaction, plans['recovery-plan'], {
          kind: 'recovery-plan',
          machineId: '',
          protectionId: '',
          startedBy: actor,
          input,
          direction: 'forward',
        });
        const value: PlanRunRecord = {
          planId,
          planName: plan.name,
          kind,
          point: point || (kind === 'test' ? 'latest-processed' : 'latest'),
          shutdown: shutdownSource,
          force,
          startedBy: actor,
          started: Date.now(),
          ended: 0,
          state: 'running',
          jobId: job.id,
          plan: toJson(RecoveryPlanSchema, plan) as object,
          machines: plan.groups.flatMap((group, index) =>
            group.machines.map(({ machine }) => ({
              machineId: machine,
              name: named.get(machine) ?? machine,
              group: index,
              recoveryId: '',
              jobId: '',
              pointTime: 0,
              runningAt: 0,
              outcome: 'waiting' as const,
              problem: '',
            })),
          ),
        };
        transaction.put(planRuns, id, value);
        transaction.put(runsOf, `${planId}/${id}`, {});
        transaction.put(openRuns, planId, { run: id });
        transaction.event({
          severity: kind === 'test' ? 'information' : 'warning',
          code: 'plan-started',
          text: `Plan ${plan.name} is run (${kind}, source to recovery site): ${value.machines.length} ${value.machines.length === 1 ? 'machine' : 'machines'}`,
          subject: planId,
          actor,
        });
        transaction.audit({ actor, action: 'RunPlan', subject: planId, detail: `${plan.name} ${kind}` });
        return { job, run: { id, value } };
      });
      return { job: jobMessage({ ...result.job, version: revision }), run: runMessage(result.run) };
    },
    async cleanUpRun({ run: wanted, notes }, { values }) {
      const { name: actor } = personOf(values);
      checkLine(notes, 'notes', 1000);
      const run = isId(wanted) ? await find(store, planRuns, wanted) : undefined;
      if (run === undefined)
        throw new HoldfastError('RESOURCE_NOT_FOUND', {
          thing: `run ${wanted.slice(0, 64)}`,
          why: 'there is none',
          remedy: 'see `holdfast plan runs`',
        });
      if (run.value.kind !== 'test')
        throw requestInvalid('run', 'it is a failover', 'cancel or commit each machine with `holdfast failover`');
      const started: Job[] = [];
      for (const { recoveryId } of run.value.machines) {
        if (recoveryId === '') continue;
        const { revision, result } = await transact(store, async (transaction) => {
          const recovery = await transaction.read(recoveries, recoveryId);
          if (recovery === undefined || recovery.value.state === 'ended' || recovery.value.state === 'ending') return undefined;
          const plan = plans['clean-up-test'];
          return orderNext(transaction, recovery, { store, plan, kind: 'clean-up-test', actor, recovery: { state: 'ending', notes } });
        });
        if (result !== undefined) started.push(jobMessage({ ...result.job, version: revision }));
      }
      return { jobs: started };
    },
    async listRuns({ pageSize: size, pageToken: token, plan: wanted }) {
      const [limit, after] = [pageSize(size), pagePlace(token, ID_PLACE)];
      if (wanted === '') {
        const page = await listPage(store, planRuns, limit, after);
        return { runs: page.rows.map(runMessage), nextPageToken: pageToken(page.next) };
      }
      const within = `${(await resolve(store, recoveryPlans, 'plan', wanted)).id}/`;
      const page = await listPage(store, runsOf, limit, after === undefined ? undefined : within + after, within);
      const found = await Promise.all(page.rows.map(({ id }) => find(store, planRuns, id.slice(within.length))));
      return {
        runs: found.filter((one) => one !== undefined).map(runMessage),
        nextPageToken: pageToken(page.next?.slice(within.length)),
      };
    },
  };
};
