import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const { staleness } = createRequire(__filename)('./dependencies.cjs') as { staleness(root: string): string | undefined };

type Lock = Record<string, { version?: string; integrity?: string; optional?: boolean }>;

const WANTED: Lock = {
  '': { version: '1.0.0' },
  'node_modules/jest': { version: '30.0.0', integrity: 'sha512-a' },
  'node_modules/other-platform': { version: '1.0.0', integrity: 'sha512-b', optional: true },
  'node_modules/this-platform': { version: '1.0.0', integrity: 'sha512-c', optional: true },
};

const INSTALLED: Lock = {
  'node_modules/jest': { version: '30.0.0', integrity: 'sha512-a' },
  'node_modules/this-platform': { version: '1.0.0', integrity: 'sha512-c', optional: true },
};

describe('dependencies', () => {
  let root: string;

  const tree = async (wanted: Lock, installed: Lock | undefined): Promise<void> => {
    await writeFile(path.join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }));
    if (installed === undefined) return;
    await mkdir(path.join(root, 'node_modules'), { recursive: true });
    await writeFile(path.join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'holdfast-dependencies-'));
  });

  afterEach(() => rm(root, { recursive: true }));

  it('are current when they are what package-lock.json says, less what is for other platforms', async () => {
    await tree(WANTED, INSTALLED);
    expect(staleness(root)).toBeUndefined();
  });

  it('are missing without npm’s own note of what it installed', async () => {
    await tree(WANTED, undefined);
    expect(staleness(root)).toMatch(/missing/);
    await mkdir(path.join(root, 'node_modules/jest'), { recursive: true });
    expect(staleness(root)).toMatch(/missing/);
  });

  it.each<[string, Lock]>([
    ['another version', { ...INSTALLED, 'node_modules/jest': { version: '29.0.0', integrity: 'sha512-a' } }],
    ['other content', { ...INSTALLED, 'node_modules/jest': { version: '30.0.0', integrity: 'sha512-z' } }],
    ['not there', { 'node_modules/this-platform': INSTALLED['node_modules/this-platform']! }],
    ['an optional one of another version', { ...INSTALLED, 'node_modules/this-platform': { version: '0.9.0', integrity: 'sha512-c' } }],
  ])('are stale: %s', async (_case, installed) => {
    await tree(WANTED, installed);
    expect(staleness(root)).toMatch(/is not what package-lock.json says/);
  });
});
