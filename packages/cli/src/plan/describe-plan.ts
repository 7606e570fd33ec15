import type { PlanRun, RecoveryPlan } from '@holdfast/protocol';
import { RecoveryKind } from '@holdfast/protocol';
import { shortId } from '../choose/choose-resource.ts';
import type { Answer, Part } from '../output/answer.ts';
import { formatCount, formatSeconds } from '../output/format.ts';
import { describeSchedule, scheduleWords } from '../proof/schedule-options.ts';
import { instant } from '../site/times.ts';
import { directionWord, stateCell } from '../site/words.ts';

export interface PlanDescription {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly note: string;
  /** When points of its machines are proven by themselves, beside what their policies say; null: never. */
  readonly proof: ReturnType<typeof describeSchedule>;
  readonly groups: readonly {
    readonly name: string;
    readonly delaySeconds: number;
    readonly before: readonly { readonly manual: string | null; readonly script: string | null }[];
    readonly machines: readonly { readonly id: string; readonly name: string; readonly point: string }[];
    readonly after: readonly { readonly manual: string | null; readonly script: string | null }[];
  }[];
}

type Actions = RecoveryPlan['groups'][number]['before'];

const actionsOf = (actions: Actions) =>
  actions.map(({ action }) => ({
    manual: action.case === 'manual' ? action.value : null,
    script: action.case === 'script' ? action.value : null,
  }));

export const describePlan = (
  { id, version, name, note, groups, proof }: RecoveryPlan,
  machines: readonly { readonly id: string; readonly name: string }[],
): PlanDescription => ({
  id,
  version: Number(version),
  name,
  note,
  proof: describeSchedule(proof),
  groups: groups.map((group) => ({
    name: group.name,
    delaySeconds: group.delaySeconds,
    before: actionsOf(group.before),
    machines: group.machines.map(({ machine, point }) => ({
      id: machine,
      name: machines.find((one) => one.id === machine)?.name ?? machine,
      point,
    })),
    after: actionsOf(group.after),
  })),
});

export const plansAnswer = (plans: readonly PlanDescription[]): Answer => ({
  data: plans,
  people:
    plans.length === 0
      ? [{ line: 'There is no plan. `holdfast plan create --help` tells how to write one.' }]
      : [
          {
            columns: [
              { heading: 'PLAN' },
              { heading: 'ID', optional: true },
              { heading: 'GROUPS', right: true },
              { heading: 'MACHINES', shrink: true },
              { heading: 'NOTE', shrink: true, optional: true },
            ],
            rows: plans.map(({ id, name, groups, note }) => [
              name,
              shortId(id, plans),
              String(groups.length),
              groups.flatMap(({ machines }) => machines.map((machine) => machine.name)).join(', '),
              note,
            ]),
          },
        ],
});

export const planAnswer = (plan: PlanDescription): Answer => ({
  data: plan,
  people: [
    { line: `${plan.name} (${plan.id})${plan.note === '' ? '' : `: ${plan.note}`}` },
    ...(plan.proof === null ? [] : [{ line: `  proof: ${scheduleWords(plan.proof)}` }]),
    ...plan.groups.flatMap(({ name, delaySeconds, before, machines, after }, index): Part[] => [
      { line: `  ${index + 1}. ${name}` },
      ...(delaySeconds === 0 ? [] : [{ line: `     wait ${formatSeconds(delaySeconds)}` }]),
      ...before.map(({ manual, script }) => ({ line: `     ${script === null ? `ask: ${manual}` : `script ${script}`}` })),
      ...machines.map((machine) => ({ line: `     start ${machine.name}${machine.point === '' ? '' : ` from ${machine.point}`}` })),
      ...after.map(({ manual, script }) => ({ line: `     ${script === null ? `ask: ${manual}` : `script ${script}`}` })),
    ]),
  ],
});

export interface RunDescription {
  readonly id: string;
  readonly plan: { readonly id: string; readonly name: string };
  readonly kind: 'test' | 'failover';
  readonly direction: string;
  readonly state: string;
  readonly startedBy: string;
  readonly started: string | null;
  readonly ended: string | null;
  /** Until the last machine ran; null while one does not. */
  readonly rtoSeconds: number | null;
  /** Age of the oldest point at the start. */
  readonly rpoSeconds: number | null;
  readonly job: string;
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly group: number;
    readonly state: string;
    readonly runningAfterSeconds: number | null;
    readonly point: string | null;
    readonly recovery: string;
    readonly problem: string;
  }[];
}

const seconds = (millis: bigint): number | null => (millis === 0n ? null : Number(millis) / 1000);

export const describeRun = (run: PlanRun): RunDescription => ({
  id: run.id,
  plan: { id: run.planId, name: run.planName },
  kind: run.kind === RecoveryKind.FAILOVER ? 'failover' : 'test',
  direction: directionWord(run.direction),
  state: run.state,
  startedBy: run.startedBy,
  started: instant(run.startedUnixMillis),
  ended: instant(run.endedUnixMillis),
  rtoSeconds: seconds(run.rtoMillis),
  rpoSeconds: seconds(run.rpoMillis),
  job: run.jobId,
  machines: run.machines.map((one) => ({
    id: one.machineId,
    name: one.machineName,
    group: one.group,
    state: one.state,
    runningAfterSeconds: seconds(one.runningAfterMillis),
    point: instant(one.pointUnixMillis),
    recovery: one.recoveryId,
    problem: one.problem,
  })),
});

const took = (value: number | null): string => (value === null ? '' : value < 100 ? `${value.toFixed(1)} s` : formatSeconds(value));

export const runsAnswer = (runs: readonly RunDescription[]): Answer => ({
  data: runs,
  people:
    runs.length === 0
      ? [{ line: 'No plan was ever run.' }]
      : [
          {
            columns: [
              { heading: 'RUN' },
              { heading: 'PLAN', shrink: true },
              { heading: 'KIND' },
              { heading: 'STARTED' },
              { heading: 'BY', optional: true },
              { heading: 'STATE' },
              { heading: 'RTO', right: true },
              { heading: 'RPO', right: true },
              { heading: 'MACHINES', right: true },
            ],
            rows: runs.map((run) => [
              shortId(run.id, runs),
              run.plan.name,
              run.kind,
              run.started ?? '',
              run.startedBy,
              stateCell(run.state),
              took(run.rtoSeconds),
              took(run.rpoSeconds),
              `${run.machines.filter(({ runningAfterSeconds }) => runningAfterSeconds !== null).length}/${run.machines.length}`,
            ]),
          },
        ],
});

/** The report of a run: what it took, machine by machine. */
export const runAnswer = (run: RunDescription): Answer => ({
  data: run,
  people: [
    { line: `${run.kind} of plan ${run.plan.name}, ${run.state} (${run.id})` },
    { line: `  direction  ${run.direction === 'forward' ? 'forward: sources to recovery site' : run.direction}` },
    { line: `  started    ${run.started ?? ''} by ${run.startedBy}${run.ended === null ? '' : `, ended ${run.ended}`}` },
    {
      line:
        run.rtoSeconds === null
          ? `  RTO        not all of ${formatCount(run.machines.length, 'machine')} run`
          : `  RTO        ${took(run.rtoSeconds)} until the last of ${formatCount(run.machines.length, 'machine')} ran`,
    },
    ...(run.rpoSeconds === null ? [] : [{ line: `  RPO        ${took(run.rpoSeconds)}: the oldest point at the start` }]),
    { line: '' },
    {
      columns: [
        { heading: 'GROUP', right: true },
        { heading: 'MACHINE' },
        { heading: 'STATE' },
        { heading: 'AFTER', right: true },
        { heading: 'POINT' },
        { heading: 'PROBLEM', shrink: true },
      ],
      rows: run.machines.map(({ group, name, state, runningAfterSeconds, point, problem }) => [
        String(group),
        name,
        stateCell(state),
        took(runningAfterSeconds),
        point ?? '',
        problem,
      ]),
    },
  ],
});
