import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatKeyFile, parseKeyFile, readKeyFile, writeKeyFile } from './key-file.ts';

describe('key file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-key-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is written for its owner alone, once, and read again', async () => {
    const path = join(folder, 'vault.key');
    const key = await writeKeyFile(path);
    expect(await readKeyFile(path)).toEqual(key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(writeKeyFile(path)).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(await readKeyFile(path)).toEqual(key);
  });

  it('survives being typed: spaces around it, capitals, a lost line end', async () => {
    const content = formatKeyFile(Buffer.alloc(32, 5));
    for (const typed of [content.trim(), `  ${content}\r\n\n`, content.toUpperCase()])
      expect(parseKeyFile(typed)).toEqual(parseKeyFile(content));
  });

  it('finds a wrong digit anywhere, and what is no key file', async () => {
    const content = formatKeyFile(Buffer.alloc(32, 5)).trim();
    const digits = content.indexOf(':') + 1;
    for (let at = digits; at < content.length; at += 1) {
      const wrong = `${content.slice(0, at)}${content[at] === '0' ? '1' : '0'}${content.slice(at + 1)}`;
      expect(() => parseKeyFile(wrong)).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
    }
    for (const text of ['', 'hello', content.slice(0, -1), `${content}0`, content.replace('key-1', 'key-2')])
      expect(() => parseKeyFile(text)).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
    const path = join(folder, 'other');
    await writeFile(path, await readFile(__filename));
    await expect(readKeyFile(path)).rejects.toMatchObject({ code: 'DAMAGED', thing: path });
    await expect(readKeyFile(join(folder, 'missing'))).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});
