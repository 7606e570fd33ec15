import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PROGRAMS } from './programs.ts';
import { withSettings } from './settings-tables.ts';

const DOCUMENT = readFileSync(path.resolve(__dirname, '../../docs/operations.md'), 'utf8');

describe('docs/operations.md', () => {
  it('tells the settings as they are: `npm run docs` brings them up to date', () => {
    expect(withSettings(DOCUMENT, PROGRAMS) === DOCUMENT).toBe(true);
  });

  it.each(PROGRAMS.map((program) => [program.name, program] as const))('names the port of %s', (_, { httpPort }) => {
    expect(DOCUMENT).toMatch(new RegExp(`^\\| ${httpPort} \\|`, 'm'));
  });
});

describe('a table of settings', () => {
  const [program] = PROGRAMS;

  it('replaces what stood in its place, and nothing else', () => {
    const document = `before\n<!-- settings of ${program!.name} -->\nwhat stood there\n<!-- end of settings -->\nafter\n`;
    const told = withSettings(document, [program!]);
    expect(told).toMatch(/^before\n<!-- settings of [\s\S]*`state\.directory`[\s\S]*<!-- end of settings -->\nafter\n$/);
    expect(told).not.toContain('what stood there');
    expect(withSettings(told, [program!])).toBe(told);
  });

  it('is missed when it has no place, and refused when its program is not there', () => {
    expect(() => withSettings('nothing', [program!])).toThrow('no place');
    expect(() => withSettings('<!-- settings of x -->\n<!-- end of settings -->', [])).toThrow('no such program');
  });
});
