import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readKeeperKey } from './keeper-key-file.ts';
import { writeKeyFile } from './keys/key-file.ts';

const VAULT = 'a'.repeat(32);

describe('the file of a keeper key', () => {
  let directory: string;
  const at = (name: string): string => path.join(directory, name);
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-keeper-key-'));
    for (const name of ['vault', 'other', 'keeper']) await writeKeyFile(at(name));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is none that opens a vault, by whatever name', async () => {
    await copyFile(at('other'), at('copy'));
    const opening = [at('vault'), at('gone'), at('other')];
    expect((await readKeeperKey(at('keeper'), VAULT, opening)).id).toHaveLength(16);
    for (const name of ['vault', 'other', 'copy'])
      await expect(readKeeperKey(at(name), VAULT, opening)).rejects.toMatchObject({ code: 'SETTING_INVALID', thing: at(name) });
    await expect(readKeeperKey(at('gone'), VAULT, opening)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});
