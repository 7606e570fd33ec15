import { importsOf } from './imports.ts';

describe('importsOf', () => {
  it('finds every way to import, with its line', async () => {
    const source = `#!/usr/bin/env node
// — comments with many bytes: ✓✓✓ import './not-this.ts'
import a from './a.ts';
import type { B } from 'b';
import './c.ts';
export * from './d.ts';
export type { E } from './e.ts';
const f = await import('node:fs'); const g = require('g');
type H = import('./h.ts').H;
require.resolve('i'); jest.mock('./j.ts');
const text = "import './nor-this.ts'";
export const k = a.require('./nor-that.ts');
const l = await import(text);
`;
    expect(await importsOf(source)).toEqual([
      { specifier: './a.ts', line: 3 },
      { specifier: 'b', line: 4 },
      { specifier: './c.ts', line: 5 },
      { specifier: './d.ts', line: 6 },
      { specifier: './e.ts', line: 7 },
      { specifier: 'node:fs', line: 8 },
      { specifier: 'g', line: 8 },
      { specifier: './h.ts', line: 9 },
      { specifier: 'i', line: 10 },
      { specifier: './j.ts', line: 10 },
      { specifier: undefined, line: 13 },
    ]);
  });

  it('counts lines right in every file, whatever was parsed before', async () => {
    const source = "\n\nimport './x.ts';\n";
    const found = await Promise.all(Array.from({ length: 20 }, () => importsOf(source)));
    expect(found).toEqual(Array.from({ length: 20 }, () => [{ specifier: './x.ts', line: 3 }]));
  });
});
