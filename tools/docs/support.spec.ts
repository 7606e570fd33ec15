import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CHECK_CODES } from '@holdfast/protocol';
import { supportMarkdown } from './support.ts';

const DOCUMENT = readFileSync(path.resolve(__dirname, '../../docs/support.md'), 'utf8');

describe('docs/support.md', () => {
  it('tells the checks as they are: `npm run docs` brings it up to date', () => {
    expect(supportMarkdown() === DOCUMENT).toBe(true);
  });

  it.each(CHECK_CODES)('tells of %s once', (code) => {
    expect(DOCUMENT.split(`| \`${code}\` |`)).toHaveLength(2);
  });
});
