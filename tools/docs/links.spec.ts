import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '../..');
const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'deploy/*.md', '{packages,tools}/*/README.md', 'tools/README.md'], { cwd: ROOT });

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

/** Blocks and spans of code hold no links, but may look like them. */
const withoutCode = (markdown: string) => markdown.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');

/** As GitHub and others make them: small letters, spaces as hyphens, the rest of the punctuation left out. */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Links that lead nowhere, of a document that lies in `directory` below the root. */
const deadLinks = (markdown: string, directory: string): string[] =>
  [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^(https?|mailto):/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#');
      const place = path.join(directory, file);
      if (file !== '' && !existsSync(path.join(ROOT, place))) return true;
      return anchor !== undefined && !anchorsOf(file === '' ? markdown : read(place)).includes(anchor);
    });

describe('links of documents', () => {
  it.each(DOCUMENTS)('lead somewhere in %s', (document) => {
    expect(deadLinks(read(document), path.dirname(document))).toEqual([]);
  });

  it('that lead nowhere are found', () => {
    const document =
      '# One & two\n[a](nowhere.md) [b](docs/errors.md#nowhere) [c](#one--two) [d](#three) `[e](code.md)` [f](docs/errors.md#exit-statuses)\n';
    expect(deadLinks(document, '.')).toEqual(['nowhere.md', 'docs/errors.md#nowhere', '#three']);
  });
});

describe('specs that are named by what tells of tests', () => {
  const specs = globSync('{packages,tools}/**/*.spec.ts', { cwd: ROOT, exclude: ['**/node_modules'] });

  /** The directories `packages/X` and `src` may be left out, a name that is told alone stands behind one with its directory. */
  const isThere = (named: string) => {
    const parts = named.split('/');
    return specs.some((spec) => {
      const found = spec.split('/');
      return found.at(-1) === parts.at(-1) && parts.every((part) => found.includes(part));
    });
  };

  it.each(DOCUMENTS.filter((document) => document.startsWith('docs/testing')))('are there: %s', (document) => {
    const named = [...read(document).matchAll(/`(?!x\.)([\w./-]+\.spec\.ts)`/g)].map(([, name]) => name!);
    expect(named.filter((name) => !isThere(name))).toEqual([]);
  });

  it('are missed when they are not', () => {
    expect(isThere('docs/links.spec.ts')).toBe(true);
    expect(isThere('docs/no-links.spec.ts')).toBe(false);
  });
});
