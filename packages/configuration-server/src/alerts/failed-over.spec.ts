import { create } from '@bufbuild/protobuf';
import { ProtectionSchema, ProtectionState } from '@holdfast/protocol';
import { type MachineFacts, machineConditions, type Thresholds } from './conditions.ts';

const limits = { awayWarning: 1, awayCritical: 2, rpoCritical: 1 } as Thresholds;

describe('a machine that is failed over', () => {
  const codes = (state: ProtectionState, connected: boolean) => {
    const facts = {
      name: 'web1',
      protection: create(ProtectionSchema, { state }),
      connected,
      lastSeen: 0,
      missing: [] as readonly string[],
    } as unknown as MachineFacts;
    return machineConditions(facts, 1_000_000, 0, limits).map(({ code }) => code);
  };

  it.each([ProtectionState.FAILED_OVER, ProtectionState.COMMITTED])('in state %s is missed by nobody, and its return is told', (state) => {
    expect(codes(state, false)).toEqual([]);
    expect(codes(state, true)).toEqual(['source-returned']);
  });

  it('is no matter of alerts while it is failed over; one that is protected is', () => {
    expect(codes(ProtectionState.FAILING_OVER, true)).toEqual([]);
    expect(codes(ProtectionState.PROTECTED, false)).toContain('agent-away');
  });
});
