import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestAuthority } from '@holdfast/protocol/conformance';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { createTestWorld } from '../testing/run-command.ts';
import { SAMPLE_NOW, sampleScript } from '../testing/sample-site.ts';
import { TOKEN } from '../testing/script.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

const login = (changes: readonly string[] = [], token = TOKEN) =>
  person.run(['login', '--server', person.site.url, '--fingerprint', person.site.authority.fingerprint, ...changes], {
    readInput: async () => token,
  });

describe('login', () => {
  it('keeps token and authority for their owner alone', async () => {
    const file = path.join(person.directory, 'contexts.yaml');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain(TOKEN);
    const shown = await person.run(['context', 'show', '--output', 'json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ name: 'test', server: person.site.url, inUse: true });
    expect(shown.stdout).not.toContain(TOKEN);
  });

  it('makes a directory that nobody else may look into', async () => {
    const home = path.join(person.directory, 'home');
    await createTestWorld().run(['login', '--server', person.site.url, '--fingerprint', person.site.authority.fingerprint], {
      environment: { HOME: home },
      readInput: async () => TOKEN,
      now: () => SAMPLE_NOW,
    });
    expect((await stat(path.join(home, '.config/holdfast'))).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(home, '.config/holdfast/contexts.yaml'))).mode & 0o777).toBe(0o600);
  });

  it('takes the fingerprint with colons and capitals, and the token from a file or a person', async () => {
    const fingerprint = person.site.authority.fingerprint.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:');
    const file = path.join(person.directory, 'token');
    await writeFile(file, `${TOKEN}\n`);
    expect(await login(['--fingerprint', fingerprint, '--token-file', file], 'wrong')).toMatchObject({ status: 0, stderr: '' });
    const asked = await person.run(['login', '--server', person.site.url, '--fingerprint', fingerprint], { askSecret: async () => TOKEN });
    expect(asked).toMatchObject({ status: 0 });
  });

  it('sends nothing to a server of another fingerprint', async () => {
    const { fingerprint } = await createTestAuthority();
    const refused = await login(['--fingerprint', fingerprint]);
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(refused.stderr).toMatch(/^\[CERTIFICATE_UNTRUSTED\] configuration server https:.*none of its certificates has the fingerprint/);
    expect(refused.stderr).toContain(person.site.authority.fingerprint);
    expect(person.site.calls).toEqual([]);
  });

  it('keeps nothing when the token is refused', async () => {
    await person.run(['logout']);
    const refused = await login(['--name', 'other'], 'guess');
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('[SIGN_IN_NEEDED]') });
    expect((await person.run(['context', 'list', '--output', 'json'])).stdout).toBe('[]\n');
  });

  it.each([
    [['--server', 'http://x'], 'SETTING_INVALID'],
    [['--server', 'https://x/path'], 'SETTING_INVALID'],
    [['--fingerprint', 'abc'], 'SETTING_INVALID'],
    [['--name', '../x'], 'SETTING_INVALID'],
  ])('refuses %j', async (args, code) => {
    expect(await login(args)).toMatchObject({ status: 2, stderr: expect.stringContaining(`[${code}]`) });
  });

  it.each(['', 'two words', 'ü'])('refuses the token "%s"', async (token) => {
    expect(await login([], token)).toMatchObject({ status: 2, stderr: expect.stringContaining('[SETTING_INVALID] token') });
  });

  it('says that nobody listens, or that who listens speaks no TLS', async () => {
    const nobody = await login(['--server', 'https://127.0.0.1:1']);
    expect(nobody).toMatchObject({ status: 9, stderr: expect.stringMatching(/^\[CONNECTION_LOST\] configuration server .*ECONNREFUSED/) });
    const stranger = createServer((socket) => socket.end('220 mail\r\n'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as { port: number };
    expect(await login(['--server', `https://127.0.0.1:${port}`])).toMatchObject({
      status: 9,
      stderr: expect.stringContaining('[CONNECTION_LOST]'),
    });
    stranger.close();
  });

  it('ends at once when it is told to', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const stop = new AbortController();
    silent.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('close', () => silent.close());
      stop.abort(new Error('stopped'));
    });
    const ended = person.run(['login', '--server', `https://127.0.0.1:${port}`, '--fingerprint', 'ab'.repeat(32)], {
      stop: stop.signal,
      readInput: async () => TOKEN,
    });
    expect((await ended).stderr).toContain('stopped');
    await once(silent, 'close');
  });
});

describe('contexts', () => {
  it('are used by name, by environment, and by choice', async () => {
    await login(['--name', 'second']);
    const list = async (environment = {}) =>
      JSON.parse(
        (
          await person.run(['context', 'list', '--output', 'json'], {
            environment: { HOLDFAST_CLI_DIRECTORY: person.directory, ...environment },
          })
        ).stdout,
      )
        .filter(({ inUse }: { inUse: boolean }) => inUse)
        .map(({ name }: { name: string }) => name);
    expect(await list()).toEqual(['second']);
    expect(await list({ HOLDFAST_CONTEXT: 'test' })).toEqual(['test']);
    expect((await person.run(['context', 'use', 'test'])).status).toBe(0);
    expect(await list()).toEqual(['test']);
    expect((await person.run(['machine', 'list', '--context', 'second'])).status).toBe(0);
    expect(await person.run(['machine', 'list', '--context', 'secnod'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('did you mean second?'),
    });
  });

  it('that are gone have to be chosen again', async () => {
    await login(['--name', 'second']);
    await person.run(['logout', 'second']);
    expect(await person.run(['machine', 'list'])).toMatchObject({ status: 3, stderr: expect.stringContaining('context use') });
    await person.run(['logout', 'test']);
    expect(await person.run(['machine', 'list'])).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^\[SIGN_IN_NEEDED\].*login --help/),
    });
  });

  it('that others can read are refused', async () => {
    await chmod(path.join(person.directory, 'contexts.yaml'), 0o640);
    expect(await person.run(['machine', 'list'])).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^\[NO_PERMISSION\].*chmod 600/),
    });
  });

  it.each(['{', 'contexts: 7', 'contexts: [{name: 1}]', '- a'])('of a damaged file are refused: %s', async (text) => {
    await writeFile(path.join(person.directory, 'contexts.yaml'), text);
    expect(await person.run(['context', 'list'])).toMatchObject({ status: 7, stderr: expect.stringContaining('[DAMAGED]') });
  });

  it('need a place', async () => {
    expect(await person.run(['context', 'list'], { environment: {} })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('HOME'),
    });
    const empty = await mkdtemp(path.join(tmpdir(), 'holdfast-home-'));
    expect(await person.run(['context', 'list'], { environment: { HOME: empty } })).toMatchObject({
      status: 0,
      stdout: 'You are logged in nowhere; see `holdfast login --help`.\n',
    });
    await rm(empty, { recursive: true });
  });
});

describe('a server', () => {
  it('that is away is said to be', async () => {
    await person.site.close();
    expect(await person.run(['machine', 'list'])).toMatchObject({
      status: 9,
      stderr: expect.stringMatching(/^\[CONNECTION_LOST\] configuration server https:.*ECONNREFUSED/),
    });
    await person.site.reopen();
  });

  it('with another authority than at login is not believed, and gets no token', async () => {
    await person.site.close();
    await person.site.reopen(await createTestAuthority());
    const refused = await person.run(['machine', 'list']);
    expect(refused).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^\[CERTIFICATE_UNTRUSTED\].*not the server you logged in at/),
    });
    expect(person.site.calls).toEqual([]);
  });

  it('whose certificate is not valid yet asks to compare the clocks', async () => {
    await person.site.close();
    const { authority } = person.site;
    const early = { notBefore: new Date(Date.now() + 3_600_000), notAfter: new Date(Date.now() + 7_200_000) };
    await person.site.reopen({ ...authority, issue: (identity) => authority.issue(identity, early) });
    expect(await person.run(['machine', 'list'])).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^\[CERTIFICATE_EXPIRED\].*the clock here says .*compare the clocks/),
    });
  });

  it('that is another member of the same installation is not the configuration server', async () => {
    await person.site.close();
    const { authority } = person.site;
    await person.site.reopen({ ...authority, issue: ({ id }) => authority.issue({ role: 'agent', id }) });
    expect(await person.run(['machine', 'list'])).toMatchObject({ status: 3, stderr: expect.stringContaining('[IDENTITY_MISMATCH]') });
    expect(person.site.calls).toEqual([]);
  });

  it('whose clock differs is told of once', async () => {
    person.site.script.date = new Date(SAMPLE_NOW + 200_000).toUTCString();
    const { status, stderr } = await person.run(['machine', 'list']);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'The clock here is 3 min 20 s behind that of the configuration server: ages are told by the clock here.\n',
    });
  });

  it('that took the token away is told as such', async () => {
    person.site.script.before = () => {
      throw new Error('database on fire');
    };
    const broken = await person.run(['machine', 'list']);
    expect(broken).toMatchObject({ status: 70, stdout: '' });
  });
});
