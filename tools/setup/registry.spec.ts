import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadRegistry, pick } from './registry.ts';

describe('a registry', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-registry-'));
    await writeFile(path.join(directory, 'one.ts'), "export const thing = { name: 'one' };");
    await writeFile(path.join(directory, 'one.spec.ts'), 'throw new Error();');
    await writeFile(path.join(directory, 'README.md'), '');
  });

  afterEach(() => rm(directory, { recursive: true }));

  it('is the files of a directory', async () => {
    await writeFile(path.join(directory, 'another.ts'), "export const thing = { name: 'another' };");
    const things = await loadRegistry(directory, 'thing');
    expect([...things.keys()]).toEqual(['another', 'one']);
    expect(pick(things, 'one', 'thing')).toEqual({ name: 'one' });
  });

  it('refuses a name it does not have and tells those it has', async () => {
    const things = await loadRegistry(directory, 'thing');
    expect(() => pick(things, 'two', 'thing')).toThrow('[SETTING_UNKNOWN] two: there is no thing of this name; use one of one');
  });

  it.each(["export const thing = { name: 'elsewhere' };", 'export const other = 1;'])('refuses a file that exports %s', async (source) => {
    await writeFile(path.join(directory, 'two.ts'), source);
    await expect(loadRegistry(directory, 'thing')).rejects.toMatchObject({ code: 'INTERNAL', thing: 'two.ts' });
  });
});
