import { clone } from '@bufbuild/protobuf';
import { type PlanAction, type RecoveryPlan, RecoveryPlanSchema } from '@holdfast/protocol';
import { completeTarget } from '../api/prerequisites.ts';
import { checkName, resolve } from '../api/resolve.ts';
import { checkSchedule } from '../proofs/proof-schedule.ts';
import { machines, servers } from '../records/kinds.ts';
import { pointWord } from '../recovery/point-word.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';
import type { StateStore } from '../state/state-store.ts';

const MOST = { groups: 7, machines: 100, actions: 20, delay: 24 * 3600 } as const;
const LONGEST = 500;

/** A plan as it may be kept, its machines and servers by id. Throws REQUEST_INVALID, MACHINE_NOT_FOUND, RESOURCE_NOT_FOUND. */
export const completePlan = async (store: StateStore, given: RecoveryPlan | undefined): Promise<RecoveryPlan> => {
  if (given === undefined) throw requestInvalid('plan', 'it is missing', 'send one');
  const plan = clone(RecoveryPlanSchema, given);
  checkName(plan.name, 'plan');
  checkLine(plan.note, 'note', LONGEST);
  checkSchedule(plan.proof);
  if (plan.groups.length === 0 || plan.groups.length > MOST.groups)
    throw requestInvalid('groups', `there are ${plan.groups.length}`, `give it 1 to ${MOST.groups}`);
  const seen = new Map<string, string>();
  for (const [index, group] of plan.groups.entries()) {
    const label = `group ${index + 1}`;
    group.name = checkLine(group.name, label, 100) || label;
    if (group.delaySeconds > MOST.delay) throw requestInvalid(`${label}, delay`, 'it is longer than a day', 'shorten it');
    for (const action of [...group.before, ...group.after]) {
      const { value = '' } = action.action;
      checkLine(value, `${label}, action`, LONGEST);
      if (value === '') throw requestInvalid(`${label}, action`, 'it is empty', 'say what to do, or name a script');
      if (action.action.case === 'script') checkName(value, 'script');
    }
    if (Math.max(group.before.length, group.after.length) > MOST.actions)
      throw requestInvalid(`${label}, actions`, `there are more than ${MOST.actions}`, 'put several into one script');
    for (const machine of group.machines) {
      const { id, value } = await resolve(store, machines, 'machine', machine.machine);
      if (seen.has(id))
        throw requestInvalid(`machine ${value.name}`, `it is in ${seen.get(id)} and in ${label}`, 'put it into one of them');
      seen.set(id, label);
      machine.machine = id;
      if (machine.processServer !== '') machine.processServer = (await resolve(store, servers, 'server', machine.processServer)).id;
      if (machine.target !== undefined) completeTarget(machine.target);
      if (machine.point !== '') pointWord(machine.point);
    }
  }
  if (seen.size === 0 || seen.size > MOST.machines)
    throw requestInvalid('machines', `there are ${seen.size}`, `give the plan 1 to ${MOST.machines}`);
  return plan;
};

const signs = (actions: readonly PlanAction[]): string => actions.map(({ action }) => (action.case === 'script' ? 's' : 'm')).join('');

/** What is to be done, group by group: manual actions and scripts before, machines, and after. What the steps of a run's job are made of: "sm-3- -2-m" */
export const layoutOf = ({ groups }: RecoveryPlan): string =>
  groups.map(({ before, machines: { length }, after }) => `${signs(before)}-${length}-${signs(after)}`).join(' ');
