import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openJsonFile } from './json-file.ts';

describe('a file with JSON', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'json-'));
  afterAll(() => fs.rmSync(directory, { recursive: true }));
  const name = path.join(directory, 'below', 'file.json');

  it('holds what was written last, for its owner alone', async () => {
    const file = openJsonFile(name);
    expect(await file.read()).toBeUndefined();
    await Promise.all(Array.from({ length: 20 }, (_, number) => file.write({ number })));
    expect(await openJsonFile(name).read()).toEqual({ number: 19 });
    expect(fs.readdirSync(path.dirname(name))).toEqual(['file.json']);
    expect(fs.statSync(name).mode & 0o777).toBe(0o600);
  });

  it('is the old one when the new one was not finished', async () => {
    await openJsonFile(name).write('whole');
    fs.writeFileSync(`${name}.new`, '"hal');
    expect(await openJsonFile(name).read()).toBe('whole');
    await openJsonFile(name).write('again');
    expect(await openJsonFile(name).read()).toBe('again');
  });

  it('goes on after a write that failed', async () => {
    const file = openJsonFile(name);
    fs.mkdirSync(`${name}.new`);
    await expect(file.write(1)).rejects.toMatchObject({ thing: name });
    fs.rmdirSync(`${name}.new`);
    await file.write(2);
    expect(await file.read()).toBe(2);
  });

  it('is named when it is damaged', async () => {
    fs.writeFileSync(name, '{"a":');
    await expect(openJsonFile(name).read()).rejects.toMatchObject({ code: 'DAMAGED', thing: name });
    fs.writeFileSync(name, ' '.repeat(17 << 20));
    await expect(openJsonFile(name).read()).rejects.toMatchObject({ code: 'DAMAGED', thing: name });
  });
});
