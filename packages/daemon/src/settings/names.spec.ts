import fc from 'fast-check';
import { environmentName, kebab, nearestName } from './names.ts';

describe('names of settings', () => {
  it('are kebab-case in files and upper case in the environment', () => {
    expect(kebab('pointInterval')).toBe('point-interval');
    expect(environmentName('journal', 'pointInterval')).toBe('HOLDFAST_JOURNAL_POINT_INTERVAL');
    expect(environmentName('journal', 'point-interval')).toBe('HOLDFAST_JOURNAL_POINT_INTERVAL');
  });
});

describe('nearestName', () => {
  const known = ['journal.quota', 'journal.directory', 'log.level', 'http.listen'];

  it.each([
    ['journal.quotta', 'journal.quota'],
    ['journal.qouta', 'journal.quota'],
    ['log.lvl', 'log.level'],
    ['log', 'log.level'],
    ['jurnal.directory', 'journal.directory'],
    ['htpp.listen', 'http.listen'],
    ['journal.quota', 'journal.quota'],
  ])('of %s is %s', (name, expected) => {
    expect(nearestName(name, known)).toBe(expected);
  });

  it('is a known one or none, for names of any length', () => {
    fc.assert(fc.property(fc.string({ maxLength: 5000 }), (name) => [undefined, ...known].includes(nearestName(name, known))));
    expect(nearestName('x', [])).toBeUndefined();
  });

  it('is none when nothing is near', () => {
    expect(nearestName('nonsense', known)).toBeUndefined();
  });
});
