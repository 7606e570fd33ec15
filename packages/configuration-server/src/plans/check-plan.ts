import { create } from '@bufbuild/protobuf';
import { fromSystem } from '@holdfast/errors';
import { CheckResult, type PlanFinding, PlanFindingSchema, type RecoveryPlan } from '@holdfast/protocol';
import { targetOver } from '../api/prerequisites.ts';
import type { Checking } from '../checks/keep-checking.ts';
import { openJobOf } from '../jobs/open-job-of.ts';
import { find } from '../records/kind.ts';
import { machines as machineKind, protections } from '../records/kinds.ts';
import { transact } from '../records/transaction.ts';
import { chooseRecoveryServer } from '../recovery/choose-recovery-server.ts';
import { machineState } from '../recovery/operations.ts';
import { pointWord } from '../recovery/point-word.ts';
import { refusal, thereOf } from '../recovery/require-operation.ts';
import type { PlanParts } from './plan-run.ts';
import { findPlanScript } from './run-script.ts';

type Finding = Omit<PlanFinding, '$typeName' | '$unknown'>;

const bad = (subject: string, reason: unknown): Finding => {
  const { message, remedy } = fromSystem(reason, subject);
  return { level: 'error', subject, text: message, remedy };
};

export interface CheckPlanParts extends PlanParts {
  readonly checking: Pick<Checking, 'bridges'>;
}

/** One machine: whether it could be started now. */
const checkMachine = async (
  parts: CheckPlanParts,
  kind: 'test' | 'failover',
  wish: RecoveryPlan['groups'][number]['machines'][number],
  signal: AbortSignal,
): Promise<Finding> => {
  const { store, servers, questions, checking } = parts;
  const machine = await find(store, machineKind, wish.machine);
  if (machine === undefined)
    return { level: 'error', subject: wish.machine, text: 'there is no such machine any more', remedy: 'take it out of the plan' };
  const { name, protectionId } = machine.value;
  try {
    const protection = protectionId === '' ? undefined : await find(store, protections, protectionId);
    const { result: there } = await transact(store, (transaction) => thereOf(transaction, machine.id));
    const operation = kind === 'test' ? 'test-failover' : 'failover';
    const refused = refusal(name, machineState(protection?.value.state), operation, there);
    if (refused !== undefined) throw refused;
    const { vault, processServerId: own, target } = protection!.value;
    const { fabric, network, testNetwork } = targetOver(target, wish.target);
    const host = { vault, fabric, wanted: wish.processServer, own };
    await chooseRecoveryServer(store, servers, host);
    const bridges = await checking.bridges(host, kind === 'test' ? { testNetwork } : { network });
    const missing = bridges.find(({ result }) => result === CheckResult.FAILED);
    if (missing !== undefined) return { level: 'error', subject: name, text: missing.text, remedy: missing.remedy };
    const { choice } = pointWord(wish.point || 'latest-processed');
    const asked = { machineId: machine.id, vault, server: own, question: { case: 'choose', value: { choice } } } as const;
    const [point] = (await questions.ask(asked, signal)).points;
    const busy = await openJobOf(store, machine.id);
    if (busy !== undefined)
      return { level: 'warning', subject: name, text: `job ${busy.id} (${busy.value.kind}) is at work on it`, remedy: 'wait for it' };
    const of = point === undefined ? '' : `, point ${point.id.slice(0, 8)} of ${new Date(Number(point.unixMillis)).toISOString()}`;
    const unread = (point?.unreadableBytes ?? 0n) > 0n;
    return unread
      ? { level: 'warning', subject: name, text: `a part of the point could not be read at the source${of}`, remedy: 'name another point' }
      : { level: 'good', subject: name, text: `it can be started${of}`, remedy: '' };
  } catch (reason) {
    return bad(name, reason);
  }
};

/** What a run of the plan would meet now. Starts nothing. */
export const checkPlan = async (
  parts: CheckPlanParts,
  plan: RecoveryPlan,
  kind: 'test' | 'failover',
  signal: AbortSignal,
): Promise<PlanFinding[]> => {
  const wishes = plan.groups.flatMap(({ machines }) => machines);
  const scripts = new Set(
    plan.groups
      .flatMap(({ before, after }) => [...before, ...after])
      .flatMap(({ action }) => (action.case === 'script' ? [action.value] : [])),
  );
  const findings = await Promise.all([
    ...wishes.map((wish) => checkMachine(parts, kind, wish, signal)),
    ...[...scripts].map(async (name): Promise<Finding> => {
      try {
        await findPlanScript(parts.scripts, name);
        return { level: 'good', subject: `script ${name}`, text: 'it can be run', remedy: '' };
      } catch (reason) {
        return bad(`script ${name}`, reason);
      }
    }),
  ]);
  return findings.map((finding) => create(PlanFindingSchema, finding));
};

/** What a run does, in its order, for people. */
export const describeSteps = ({ groups }: RecoveryPlan, nameOf: (id: string) => string): string[] =>
  groups.flatMap(({ name, delaySeconds, before, machines, after }, index) => {
    const label = `${index + 1}. ${name}`;
    const actions = (all: typeof before): string[] =>
      all.map(({ action }) => `${label}: ${action.case === 'script' ? `run script ${action.value}` : `ask somebody to: ${action.value}`}`);
    return [
      ...(delaySeconds === 0 ? [] : [`${label}: wait ${delaySeconds} s`]),
      ...actions(before),
      ...(machines.length === 0 ? [] : [`${label}: start ${machines.map(({ machine }) => nameOf(machine)).join(', ')}`]),
      ...actions(after),
    ];
  });
