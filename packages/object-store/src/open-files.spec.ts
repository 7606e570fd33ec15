import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OpenFiles } from './open-files.ts';

describe('open files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-open-files-'));
    for (let number = 0; number < 6; number += 1) writeFileSync(join(folder, String(number)), `content of file ${number}`);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const path = (number: number) => join(folder, String(number));
  /** Files of the folder that this process holds open. */
  const held = (): string[] =>
    readdirSync('/proc/self/fd')
      .flatMap((fd) => {
        try {
          return [readlinkSync(`/proc/self/fd/${fd}`)];
        } catch {
          return [];
        }
      })
      .filter((file) => file.startsWith(folder));
  const until = async (condition: () => boolean): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('it did not come true');
      await new Promise(setImmediate);
    }
  };

  it('read ranges, cut at the end, and keep no more than their number open', async () => {
    const files = new OpenFiles(2);
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => files.read(path(i % 6), 8, 20)));
    expect(answers.map(String)).toEqual(Array.from({ length: 60 }, (_, i) => `of file ${i % 6}`));
    expect(await files.read(path(1), 100, 5)).toHaveLength(0);
    await until(() => held().length === 2);
    files.close();
    await until(() => held().length === 0);
  });

  it('stay readable for who is reading when they are forgotten, and are opened anew after that', async () => {
    const files = new OpenFiles(2);
    const reading = files.read(path(3), 0, 7);
    files.forget(path(3));
    expect(String(await reading)).toBe('content');
    rmSync(path(3));
    await expect(files.read(path(3), 0, 7)).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(path(3), 'another');
    expect(String(await files.read(path(3), 0, 7))).toBe('another');
    files.close();
    await until(() => held().length === 0);
  });

  it('refuse a directory', async () => {
    const files = new OpenFiles(2);
    await expect(files.read(folder, 0, 1)).rejects.toMatchObject({ code: 'EISDIR' });
    await until(() => held().length === 0);
  });
});
