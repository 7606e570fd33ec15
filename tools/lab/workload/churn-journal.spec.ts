import { type ChurnStep, parseChurnJournal } from './churn-journal.ts';

describe('a churn journal', () => {
  it('is read back; a line cut short by a kill does not count', () => {
    const steps: ChurnStep[] = [
      { what: 'wrote', file: 3, first: 0, count: 16, time: 5n },
      { what: 'synced', file: 3, time: 6n },
      { what: 'cutting', file: 3, blocks: 4, time: 7n },
      { what: 'dropping', file: 3, time: 8n },
    ];
    expect(parseChurnJournal('wrote 3 0 16 5\nsynced 3 6\ncutting 3 4 7\ndropping 3 8\nwrote 4 0')).toEqual(steps);
    expect(() => parseChurnJournal('moved 3 4 5\n')).toThrow('not a line of a churn journal');
  });
});
