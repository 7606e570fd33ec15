import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openSigningKey } from './signing-key.ts';

describe('the key that proofs are signed by', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-signing-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is made once, for its owner only, and leaves nothing beside', async () => {
    const file = path.join(directory, 'deep', 'proof.key');
    const made = await openSigningKey(file);
    expect((await openSigningKey(file)).equals(made)).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(path.dirname(file))).toEqual(['proof.key']);
  });

  it('is the same for all who make it at the same time', async () => {
    const file = path.join(directory, 'proof.key');
    const keys = await Promise.all(Array.from({ length: 8 }, () => openSigningKey(file)));
    const kept = await openSigningKey(file);
    for (const key of keys) expect(key.equals(kept)).toBe(true);
    expect(await readdir(directory)).toEqual(['proof.key']);
  });

  it('is never replaced: what is no key is refused', async () => {
    const file = path.join(directory, 'proof.key');
    await writeFile(file, '');
    await expect(openSigningKey(file)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    expect(await readFile(file, 'utf8')).toBe('');
  });
});
