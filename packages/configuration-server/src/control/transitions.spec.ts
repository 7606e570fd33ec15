import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type AgentReport,
  AgentReportSchema,
  DiskPhase,
  type DiskReportSchema,
  idBytes,
  ManifestSchema,
  ProtectionState,
} from '@holdfast/protocol';
import fc from 'fast-check';
import { componentEvents, diskEvents, stateEvents, stateFrom } from './transitions.ts';

const [A, B] = [idBytes('a'.repeat(32)), idBytes('b'.repeat(32))];
const manifest = create(ManifestSchema, { disks: [{ id: A, name: 'sda' }] });

const report = (phases: readonly DiskPhase[], point = 1n): AgentReport =>
  create(AgentReportSchema, {
    newestPointUnixMillis: point,
    disks: phases.map((phase, index): MessageInitShape<typeof DiskReportSchema> => ({ diskId: index === 0 ? A : B, phase })),
  });

const { UNPROTECTED, COPYING, RESYNCHRONIZING, REPLICATING, TRACKING, FAILED } = DiskPhase;
const { PREPARING, PROTECTED, STOPPING, FAILED_OVER } = ProtectionState;

describe('the state of a protection', () => {
  it.each([
    ['nothing has begun', [UNPROTECTED], 0n, PREPARING, ''],
    ['the first copy', [COPYING], 0n, ProtectionState.COPYING, ''],
    ['copied, but no point yet', [REPLICATING], 0n, ProtectionState.COPYING, ''],
    ['points', [REPLICATING], 1n, PROTECTED, ''],
    ['a new disk beside', [REPLICATING, COPYING], 1n, PROTECTED, 'bbbbbbbb is not yet copied'],
    ['the ladder', [TRACKING], 1n, PROTECTED, 'changes of sda are remembered, but make no points for now'],
    ['a resynchronization', [RESYNCHRONIZING, REPLICATING], 1n, ProtectionState.RESYNCHRONIZING, 'sda is compared with the vault'],
    ['one that failed decides', [REPLICATING, FAILED, RESYNCHRONIZING], 1n, ProtectionState.FAILED, 'bbbbbbbb:'],
  ])('follows reports: %s', (_, phases, point, state, detail) => {
    expect(stateFrom(PREPARING, report(phases, point), manifest)).toEqual({ state, detail });
  });

  it('is not touched by reports while a job decides', () => {
    for (const state of [STOPPING, FAILED_OVER, ProtectionState.COMMITTED, ProtectionState.REPROTECTING])
      expect(stateFrom(state, report([REPLICATING]), manifest).state).toBe(state);
  });

  it('tells each change once', () => {
    const view = (state: ProtectionState, detail = '') => ({ state, detail });
    const codes = (from: ProtectionState, to: ProtectionState): string[] =>
      stateEvents('web1', view(from), view(to)).map(({ code }) => code);
    expect(codes(PREPARING, ProtectionState.COPYING)).toEqual(['first-copy-started']);
    expect(codes(ProtectionState.COPYING, PROTECTED)).toEqual(['first-point']);
    expect(codes(PROTECTED, ProtectionState.RESYNCHRONIZING)).toEqual(['resynchronizing']);
    expect(codes(ProtectionState.RESYNCHRONIZING, PROTECTED)).toEqual(['protected-again']);
    expect(codes(PROTECTED, ProtectionState.FAILED)).toEqual(['replication-failed']);
    for (const state of Object.values(ProtectionState)) expect(codes(state, state)).toEqual([]);
  });
});

describe('events of disks and components', () => {
  it('come when a phase or problem changes, not with every report', () => {
    const before = report([COPYING]);
    const after = create(AgentReportSchema, {
      disks: [{ diskId: A, phase: FAILED, problemCode: 'NO_SPACE', problem: 'the log\nis full' }],
    });
    expect(diskEvents('web1', before, after, manifest)).toEqual([
      { severity: 'information', code: 'disk-phase', text: 'web1, sda: copying becomes failed' },
      { severity: 'warning', code: 'NO_SPACE', text: 'web1, sda: the log is full' },
    ]);
    expect(diskEvents('web1', after, after, manifest)).toEqual([]);
    expect(diskEvents('web1', undefined, after, manifest)).toEqual([]);
  });

  it('are bounded and harmless, whatever a member says', () => {
    const [known, own, odd] = componentEvents('web1', [
      { code: 'CONTINUITY_LOST', text: 'x' },
      { code: 'COPY_COMPLETE', text: 'y' },
      { code: '<script>', text: 'a\u0000b\n'.repeat(1000) },
    ] as never);
    expect([known!.severity, own!.severity, odd!.code]).toEqual(['warning', 'information', 'unknown-code']);
    fc.assert(
      fc.property(fc.array(fc.record({ code: fc.string(), text: fc.string({ maxLength: 2000 }) }), { maxLength: 100 }), (events) => {
        const told = componentEvents('web1', events as never);
        expect(told.length).toBeLessThanOrEqual(32);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
        for (const { code, text } of told) expect(`${code}${text.slice(0, 601)}`).toMatch(/^[^\u0000-\u001f\u007f]*$/);
        for (const { text } of told) expect(text.length).toBeLessThanOrEqual(600);
      }),
    );
  });
});
