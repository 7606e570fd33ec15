import { ERROR_CODES } from '@holdfast/errors';
import { type AgentReport, DiskPhase, type DiskReport, idText, type Manifest, ProtectionState } from '@holdfast/protocol';
import type { NewEvent } from '../state/state-store.ts';

/** A protection's state and what there is to say about it. */
export interface ProtectionView {
  readonly state: ProtectionState;
  readonly detail: string;
}

type Told = Pick<NewEvent, 'severity' | 'code' | 'text'>;

/** States that follow what the agent reports; all others are left by jobs only. */
const REPORTED: ReadonlySet<ProtectionState> = new Set([
  ProtectionState.PREPARING,
  ProtectionState.COPYING,
  ProtectionState.PROTECTED,
  ProtectionState.RESYNCHRONIZING,
  ProtectionState.FAILED,
]);

const LONGEST = 600;

/** Words of a member, short and in one line whatever it sent. */
export const bounded = (words: string): string =>
  words
    .slice(0, LONGEST)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is replaced
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');

/** What a disk is called: by its name at the source, else by the beginning of its id. */
export const diskName = (id: Uint8Array, manifest: Manifest | undefined): string =>
  manifest?.disks.find((disk) => idText(disk.id) === idText(id))?.name.slice(0, 200) || idText(id).slice(0, 8);

const words = (phase: DiskPhase): string =>
  (Object.entries(DiskPhase).find(([, value]) => value === phase)?.[0] ?? 'unknown').toLowerCase();

const named = (disks: readonly DiskReport[], manifest: Manifest | undefined): string =>
  disks.map(({ diskId }) => diskName(diskId, manifest)).join(', ');

/** The state that follows from a report; `state` itself where reports do not decide. */
export const stateFrom = (state: ProtectionState, { disks, newestPointUnixMillis }: AgentReport, manifest?: Manifest): ProtectionView => {
  const inPhase = (phase: DiskPhase): DiskReport[] => disks.filter((disk) => disk.phase === phase);
  const began = disks.some(({ phase }) => phase !== DiskPhase.UNSPECIFIED && phase !== DiskPhase.UNPROTECTED);
  if (!REPORTED.has(state) || !began) return { state, detail: '' };
  const [failed, copying, resynchronizing, tracking] = [
    inPhase(DiskPhase.FAILED),
    inPhase(DiskPhase.COPYING),
    inPhase(DiskPhase.RESYNCHRONIZING),
    inPhase(DiskPhase.TRACKING),
  ];
  if (failed.length > 0) {
    const [{ diskId, problemCode, problem }] = failed as [DiskReport];
    return { state: ProtectionState.FAILED, detail: bounded(`${diskName(diskId, manifest)}: ${problemCode} ${problem}`.trim()) };
  }
  if (newestPointUnixMillis === 0n) return { state: ProtectionState.COPYING, detail: '' };
  if (resynchronizing.length > 0)
    return { state: ProtectionState.RESYNCHRONIZING, detail: bounded(`${named(resynchronizing, manifest)} is compared with the vault`) };
  const notes = [
    ...(copying.length > 0 ? [`${named(copying, manifest)} is not yet copied`] : []),
    ...(tracking.length > 0 ? [`changes of ${named(tracking, manifest)} are remembered, but make no points for now`] : []),
  ];
  return { state: ProtectionState.PROTECTED, detail: bounded(notes.join('; ')) };
};

/** What is worth an event in a change of state. */
export const stateEvents = (name: string, from: ProtectionView, to: ProtectionView): readonly Told[] => {
  if (from.state === to.state) return [];
  const detail = to.detail === '' ? '' : `: ${to.detail}`;
  switch (to.state) {
    case ProtectionState.COPYING:
      return [{ severity: 'information', code: 'first-copy-started', text: `The first copy of ${name} is under way${detail}` }];
    case ProtectionState.PROTECTED:
      return from.state === ProtectionState.COPYING || from.state === ProtectionState.PREPARING
        ? [{ severity: 'information', code: 'first-point', text: `${name} has its first recovery point and is protected` }]
        : [{ severity: 'information', code: 'protected-again', text: `${name} makes recovery points again` }];
    case ProtectionState.RESYNCHRONIZING:
      return [{ severity: 'warning', code: 'resynchronizing', text: `${name} is resynchronized${detail}` }];
    case ProtectionState.FAILED:
      return [{ severity: 'critical', code: 'replication-failed', text: `${name} is not replicated${detail}` }];
    default:
      return [];
  }
};

/** Phases and problems of disks that changed since the report before; nothing when there was none. */
export const diskEvents = (
  name: string,
  before: AgentReport | undefined,
  after: AgentReport,
  manifest: Manifest | undefined,
): readonly Told[] => {
  if (before === undefined) return [];
  const old = new Map(before.disks.map((disk) => [idText(disk.diskId), disk]));
  return after.disks.flatMap((disk): Told[] => {
    const was = old.get(idText(disk.diskId));
    const label = `${name}, ${diskName(disk.diskId, manifest)}`;
    const problem = disk.problemCode !== '' && disk.problemCode !== (was?.problemCode ?? '');
    return [
      ...(was !== undefined && was.phase !== disk.phase
        ? [
            {
              severity: 'information',
              code: 'disk-phase',
              text: bounded(`${label}: ${words(was.phase)} becomes ${words(disk.phase)}`),
            } as const,
          ]
        : []),
      ...(problem ? [{ severity: 'warning', code: eventCode(disk.problemCode), text: bounded(`${label}: ${disk.problem}`) } as const] : []),
    ];
  });
};

/** Events of a component that one report may bring. */
const MOST_EVENTS = 32;

/** A code as told by a member; anything that is none becomes a word for that. */
const eventCode = (code: string): string => (/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(code) ? code : 'unknown-code');

/** What a member says happened since its last report; the codes of our errors are warnings. */
export const componentEvents = (name: string, events: AgentReport['events']): readonly Told[] =>
  events.slice(0, MOST_EVENTS).map(({ code, text }) => ({
    severity: Object.hasOwn(ERROR_CODES, code) ? 'warning' : 'information',
    code: eventCode(code),
    text: bounded(`${name}: ${text}`),
  }));
