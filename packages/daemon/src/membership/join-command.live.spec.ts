import { spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openTestSite, type TestSite } from '../conformance/test-site.ts';
import { formatAddress } from '../settings/kinds.ts';
import { killPrograms, startProgram } from '../testing/started-program.ts';

let site: TestSite;
let directory: string;
let state: string;
beforeEach(async () => {
  [site, directory] = await Promise.all([openTestSite(), mkdtemp(path.join(tmpdir(), 'holdfast-join-'))]);
  state = path.join(directory, 'state');
});
afterEach(async () => {
  await killPrograms();
  await Promise.all([site.close(), rm(directory, { recursive: true })]);
});

const start = (flags: readonly string[], input?: string) =>
  startProgram({
    program: 'member-program.ts',
    flags: [...flags, '--state.directory', state, '--http.enabled', 'false'],
    ...(input === undefined ? {} : { input }),
  });
const join = async (input: string, ...flags: string[]) => {
  const program = start(['join', '--server', formatAddress(site.address), '--fingerprint', site.fingerprint, ...flags], input);
  return { status: await program.ended, text: program.text() };
};
const hardwareFile = async (name: string): Promise<string> => {
  const file = path.join(directory, `${name}.json`);
  await writeFile(file, JSON.stringify({ productUuid: name }));
  return file;
};

describe('a machine that joins', () => {
  it('says in words what it did; the program then runs, and works on over an absence of the server', async () => {
    const { status, text } = await join(`${site.createToken()}\n`);
    expect(text).toMatch(
      /^Joined 127\.0\.0\.1:\d+ as process-server [0-9a-f]{32}, enrolment 1 of this machine\.\nIts certificate ends at 20.*Z; holdfast-example-member renews it by itself\.\nIf holdfast-example-member runs, .* with systemd: systemctl enable --now holdfast-example-member\n$/,
    );
    expect(status).toBe(0);
    const { id } = site.members[0]!;
    site.servers.setState(id, { revision: 5n });
    const program = start([]);
    await program.line('The program does its work');
    expect(await (await site.servers.stream()).report()).toMatchObject({ revision: 5n });
    await site.stop();
    await program.line('The configuration server is away; work goes on');
    site.servers.setState(id, { revision: 6n });
    await site.start();
    const again = await site.servers.stream();
    expect((await again.report(({ revision }) => revision === 6n)).revision).toBe(6n);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  it('is a member also when nobody reads what it says', async () => {
    const program = path.join(__dirname, '../testing/member-program.ts');
    const flags = ['--server', formatAddress(site.address), '--fingerprint', site.fingerprint, '--state.directory', state];
    const child = spawn(process.execPath, [
      '--conditions=@holdfast/source',
      '--disable-warning=ExperimentalWarning',
      program,
      'join',
      ...flags,
    ]);
    child.stdout.destroy();
    child.stdin.end(`${site.createToken()}\n`);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect({ status, stderr, members: site.members.length }).toEqual({ status: 0, stderr: '', members: 1 });
  });

  it('renews while its stream lives, and comes again with the new certificate', async () => {
    site.lifetime = 8000;
    await join(site.createToken());
    const program = start([]);
    const first = await site.servers.stream();
    await program.line('renewed');
    const second = await site.servers.stream(({ serial }) => serial !== first.serial);
    expect(second.id).toBe(first.id);
    expect(program.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  it('takes the token from a file', async () => {
    const file = path.join(directory, 'token');
    await writeFile(file, `${site.createToken()}\n`, { mode: 0o600 });
    expect((await join('', '--token-file', file)).status).toBe(0);
  });

  it('refuses what cannot be a join, each by its name and status', async () => {
    expect(await join('')).toEqual({ status: 2, text: expect.stringContaining('[SETTING_INVALID] token (standard input): there is none') });
    const token = site.createToken();
    const wrong = await join(token, '--fingerprint', 'f'.repeat(64));
    expect(wrong).toEqual({ status: 3, text: expect.stringContaining('[CERTIFICATE_UNTRUSTED]') });
    expect((await join(token)).status).toBe(0);
    expect(await join(token)).toEqual({ status: 3, text: expect.stringContaining('[TOKEN_USED]') });
    expect(wrong.text + (await join(token)).text).not.toContain(token);
    await site.stop();
    expect(await join('other-token')).toEqual({
      status: 9,
      text: expect.stringContaining('[CONNECTION_LOST] configuration server 127.0.0.1'),
    });
  });

  it('lets the running program begin anew when it joins again', async () => {
    await join(site.createToken());
    const program = start([]);
    const first = await site.servers.stream();
    expect((await join(site.createToken())).text).toContain('enrolment 2 of this machine');
    expect(await program.ended).toBe(130);
    expect(program.lines).toContainEqual(
      expect.objectContaining({ level: 'error', error: expect.objectContaining({ message: expect.stringContaining('joined anew') }) }),
    );
    start([]);
    const second = await site.servers.stream((stream) => stream !== first);
    expect(second).toMatchObject({ id: first.id, hello: { incarnation: 2n } });
  });

  it('does not run before it joined, and not from a copied state directory, of which nothing is sent', async () => {
    const before = start([]);
    expect(await before.ended).toBe(3);
    expect(before.lines.find(({ level }) => level === 'error')).toMatchObject({ error: { code: 'NOT_ENROLLED' } });

    const [original, copy] = [await hardwareFile('original'), await hardwareFile('copy')];
    await join(site.createToken(), '--identity.hardware-file', original);
    const copied = path.join(directory, 'copied');
    await cp(state, copied, { recursive: true });
    state = copied;
    const clone = start(['--identity.hardware-file', copy]);
    expect(await clone.ended).toBe(8);
    expect(clone.lines.find(({ level }) => level === 'error')).toMatchObject({ error: { code: 'AGENT_CLONED' } });
    expect(site.servers.live).toEqual([]);
    // The same directory on its own machine is welcome.
    start(['--identity.hardware-file', original]);
    expect((await site.servers.stream()).id).toBe(site.members[0]!.id);
  });

  it.unless(lacks('python3'), 'asks on a terminal for the token and does not show it', async () => {
    const token = site.createToken();
    const program = path.join(__dirname, '..', 'testing', 'member-program.ts');
    const script = `
import os, pty, sys
seen = b""
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
while b"Token: " not in seen: seen += os.read(fd, 1024)
os.write(fd, b"${token}\\r")
try:
    while True:
        piece = os.read(fd, 1024)
        if not piece: break
        seen += piece
except OSError: pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    const node = [process.execPath, '--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning', program];
    const flags = ['join', '--server', formatAddress(site.address), '--fingerprint', site.fingerprint, '--state.directory', state];
    const child = spawn('python3', ['-c', script, ...node, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(text).toMatch(/^Token: \r\nJoined/);
    expect(text).not.toContain(token);
    expect(status).toBe(0);
  });

  it.unless(lacks('root'), 'leaves what it wrote to the owner of the state directory', async () => {
    await chmod(directory, 0o755);
    await mkdir(state, { mode: 0o700 });
    await chown(state, 65534, 65534);
    expect(await join(site.createToken())).toMatchObject({ status: 0 });
    for (const name of ['identity.lock', 'identity', 'identity/identity.json'])
      expect((await stat(path.join(state, name))).uid).toBe(65534);
  });
});
