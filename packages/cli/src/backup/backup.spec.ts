import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

describe('backup', () => {
  it('writes what comes into a file of its own', async () => {
    person.site.script.backup = ['one', 'two'];
    const file = path.join(person.directory, 'x.backup');
    expect(await person.run(['backup', '--to', file])).toMatchObject({ status: 0, stdout: expect.stringContaining('6 B') });
    expect(await readFile(file, 'utf8')).toBe('onetwo');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing half behind', async () => {
    person.site.script.backup = ['one', new Error('the disk of the server broke')];
    const file = path.join(person.directory, 'x.backup');
    expect((await person.run(['backup', '--to', file])).status).not.toBe(0);
    expect((await readdir(person.directory)).filter((name) => name.startsWith('x.'))).toEqual([]);
    expect(await person.run(['backup', '--to', path.join(file, 'y')])).toMatchObject({ status: 4 });
  });
});
