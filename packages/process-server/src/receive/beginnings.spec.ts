import { fillJournal, type InJournal } from './beginnings.ts';

const MIB = 1024 * 1024;

const machine = (given: Partial<InJournal>): InJournal => ({ pendingBytes: 0, isFenced: false, begunBytes: 0, ...given });

describe('beginnings of cuts', () => {
  it('fill the journal where nothing leaves it', () => {
    expect(fillJournal([machine({ begunBytes: MIB }), machine({})])).toBe(true);
    expect(fillJournal([machine({}), machine({})])).toBe(false);
  });

  it('do not where whole cuts wait for their vaults', () => {
    expect(fillJournal([machine({ begunBytes: 8 * MIB }), machine({ pendingBytes: MIB })])).toBe(false);
    expect(fillJournal([machine({ pendingBytes: 900 * MIB })])).toBe(false);
  });

  it('do beside the small cuts of idle machines, and beside those that no vault takes any more', () => {
    expect(fillJournal([machine({ begunBytes: 900 * MIB }), machine({ pendingBytes: 20_000 })])).toBe(true);
    expect(fillJournal([machine({ begunBytes: 8 * MIB }), machine({ pendingBytes: 900 * MIB, isFenced: true })])).toBe(true);
  });
});
