import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { AuditRecordSchema, PersonRole } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE_NOW, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

const now = { now: () => SAMPLE_NOW };
const typing = (...words: string[]) => ({ ...now, askSecret: async () => words.shift() ?? '' });

describe('login --user', () => {
  const login = (more: readonly string[], surroundings: object) =>
    person.run(
      ['login', '--server', person.site.url, '--fingerprint', person.site.authority.fingerprint, '--user', 'anna', ...more],
      surroundings,
    );

  beforeEach(() => {
    person.site.script.passwords = { anna: 'four wörds make it' };
  });

  it('keeps a token, and nothing of the password', async () => {
    const answer = await login(['--name', 'anna'], typing('four wörds make it'));
    expect(answer).toMatchObject({ status: 0, stderr: '' });
    expect((await person.run(['machine', 'list', '--context', 'anna'])).status).toBe(0);
    const file = path.join(person.directory, 'password');
    await writeFile(file, 'four wörds make it\n');
    expect(await login(['--password-file', file], {})).toMatchObject({ status: 0 });
  });

  it('keeps nothing when the password is wrong', async () => {
    expect(await login(['--name', 'wrong'], typing('guess'))).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('[SIGN_IN_NEEDED]'),
    });
    expect((await person.run(['context', 'list'])).stdout).not.toContain('wrong');
  });

  it.each(['', 'two\nlines\n'])('asks for one line: %j', async (input) => {
    expect(await login([], { ...now, readInput: async () => input })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('[SETTING_INVALID] standard input'),
    });
  });

  it('says how long it is good, and ends at the server with logout', async () => {
    expect((await person.run(['whoami'], now)).stdout).toBe(`anna, operator at ${person.site.url}, for 1 h 0 min\n`);
    expect(await person.json(['whoami'])).toMatchObject({ name: 'anna', role: 'operator', kind: 'user' });
    expect((await person.run(['logout'])).stdout).toContain('and has ended there');
    expect(person.site.calls).toContain('SessionService.SignOut');
  });

  it('is forgotten here also when the server is away', async () => {
    await person.site.close();
    expect(await person.run(['logout'])).toMatchObject({ status: 0, stdout: expect.not.stringContaining('ended there') });
    await person.site.reopen();
  });
});

describe('password', () => {
  it('is changed by asking for the old one, and twice for the new one', async () => {
    expect(await person.run(['password'], typing('old', 'new', 'new'))).toMatchObject({ status: 0 });
    expect(person.site.script.passwords).toEqual({ anna: 'old then new' });
    expect(await person.run(['password'], typing('old', 'new', 'nwe'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('differs'),
    });
  });
});

describe('user', () => {
  it('create, set, list and delete', async () => {
    const { script } = person.site;
    expect(await person.run(['user', 'create', 'berta', '--role', 'operator'], typing('a b c d e f', 'a b c d e f'))).toMatchObject({
      status: 0,
      stdout: 'berta is operator.\n',
    });
    expect(script.passwords).toEqual({ berta: 'a b c d e f' });
    expect((await person.run(['user', 'list'], now)).stdout).toMatch(/berta +operator +enabled +never\n/);
    expect((await person.run(['user', 'set', 'berta', '--role', 'reader', '--disable'])).stdout).toBe(
      'berta is reader, and may not sign in.\n',
    );
    expect(script.users[0]).toMatchObject({ role: PersonRole.READER, disabled: true });
    expect(await person.run(['user', 'set', 'berta', '--new-password'], { ...now, readInput: async () => 'new one\n' })).toMatchObject({
      status: 0,
    });
    expect(script.passwords).toEqual({ berta: 'new one' });
    expect((await person.run(['user', 'delete', 'berta'])).stdout).toBe('berta may sign in no more.\n');
    expect((await person.run(['user', 'list'])).stdout).toContain('Nobody signs in');
  });

  it('set wants something to change', async () => {
    expect(await person.run(['user', 'set', 'x'])).toMatchObject({ status: 2 });
    expect(await person.run(['user', 'set', 'x', '--enable', '--disable'])).toMatchObject({ status: 2 });
    expect(await person.run(['user', 'create', 'x', '--role', 'king'], typing('a', 'a'))).toMatchObject({ status: 2 });
  });
});

describe('access', () => {
  it('create writes the token and nothing else, list never does', async () => {
    expect((await person.run(['access', 'create', 'grafana', '--role', 'reader'])).stdout).toBe('SECRET\n');
    expect(await person.json(['access', 'create', 'nightly', '--role', 'operator', '--lifetime', '90d'])).toMatchObject({
      secret: 'SECRET',
    });
    const { stdout } = await person.run(['access', 'list'], now);
    expect(stdout).toMatch(/grafana +reader +does not end/);
    expect(stdout).toMatch(/nightly +operator +for 90 d/);
    expect(stdout).not.toContain('SECRET');
    expect((await person.run(['access', 'revoke', 'grafana'])).status).toBe(0);
    expect(person.site.script.accessTokens.map(({ name }) => name)).toEqual(['nightly']);
  });
});

describe('audit', () => {
  it('tells who did what', async () => {
    const record = {
      revision: 7n,
      unixMillis: BigInt(SAMPLE_NOW),
      actor: 'anna',
      action: 'CreateToken',
      subject: 'ab',
      detail: 'agent rack 7',
    };
    person.site.script.audit.push(create(AuditRecordSchema, record));
    expect((await person.run(['audit', 'list'])).stdout).toMatch(/2026-11-22T12:00:00\S* +anna +CreateToken +agent rack 7\n/);
    expect(await person.json(['audit', 'list', '--subject', 'ab'])).toMatchObject([{ revision: 7, actor: 'anna' }]);
    expect((await person.run(['audit', 'list', '--subject', 'cd'])).stdout).toBe('Nothing was changed.\n');
  });
});
