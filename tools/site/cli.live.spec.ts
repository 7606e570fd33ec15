import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { createPerson, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { mainOf } from './from-source.ts';

let directory: string;
let server: ConfigurationServer;
let person: Person;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-site-'));
  server = await startConfigurationServer({ directory: path.join(directory, 'server') });
  person = createPerson(path.join(directory, 'person'));
  const login = await person.run(
    ['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'here'],
    server.administratorToken,
  );
  if (login.status !== 0) throw new Error(login.stderr);
});

afterAll(async () => {
  await server?.process.stop();
  await rm(directory, { recursive: true });
});

interface Policy {
  readonly name: string;
  readonly version: number;
  readonly retention: string;
  readonly rpoThresholdSeconds: number;
}

describe('login', () => {
  it('sends the token to nobody but the server of this fingerprint', async () => {
    const other = `${server.fingerprint.slice(0, -1)}${server.fingerprint.endsWith('0') ? '1' : '0'}`;
    const refused = await createPerson(path.join(directory, 'stranger')).run(
      ['login', '--server', server.url, '--fingerprint', other],
      server.administratorToken,
    );
    expect(refused).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('[CERTIFICATE_UNTRUSTED]') });
  });

  it('with a token nobody gave out is refused, and kept by nobody', async () => {
    const stranger = createPerson(path.join(directory, 'stranger'));
    const refused = await stranger.run(['login', '--server', server.url, '--fingerprint', server.fingerprint], 'guess');
    expect(refused).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('[SIGN_IN_NEEDED]') });
    expect(await stranger.json(['context', 'list'])).toEqual([]);
    expect(await stranger.run(['machine', 'list'])).toMatchObject({ status: 3, stderr: expect.stringContaining('holdfast login --help') });
  });

  it('tells no secret in any form', async () => {
    for (const output of ['table', 'json', 'yaml'])
      expect((await person.run(['context', 'show', '--output', output])).stdout).not.toContain(server.administratorToken.trim());
  });
});

describe('policies', () => {
  it('are made, changed, and told alike in all forms', async () => {
    const made = await person.json<Policy>(['policy', 'create', 'gold', '--rpo-threshold', '30s']);
    expect(made).toMatchObject({ name: 'gold', rpoThresholdSeconds: 30, retention: '24h' });
    const changed = await person.json<Policy>(['policy', 'set', 'gold', '--retention', '15d']);
    expect(changed).toMatchObject({ retention: '15d', rpoThresholdSeconds: 30 });
    expect(changed.version).toBeGreaterThan(made.version);

    const listed = await person.json<Policy[]>(['policy', 'list']);
    expect(listed).toContainEqual(changed);
    expect(parse((await person.run(['policy', 'list', '--output', 'yaml'])).stdout)).toEqual(listed);
    expect((await person.run(['policy', 'list'])).stdout).toMatch(/^gold +[0-9a-f]{12} +5s +30s +15d +lz4 +0 +\d+$/m);
  });

  it('changed by two at once keep one change whole, and refuse the other', async () => {
    const { version } = await person.json<Policy>(['policy', 'create', 'contested']);
    const set = (retention: string) =>
      person.run(['policy', 'set', 'contested', '--retention', retention, '--if-version', String(version), '--output', 'json']);
    const both = await Promise.all([set('72h'), set('15d')]);
    const [won, lost] = both.sort((a, b) => Number(a.status) - Number(b.status));
    expect(won).toMatchObject({ status: 0, stderr: '' });
    expect(lost).toMatchObject({ status: 8, stdout: '', stderr: expect.stringMatching(/^\[VERSION_CONFLICT\] .*contested/) });
    expect(await person.json(['policy', 'show', 'contested'])).toEqual(JSON.parse(won!.stdout));
  });

  it('of impossible values are refused by the server, by field', async () => {
    expect(await person.run(['policy', 'set', 'gold', '--point-interval', '2h'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^\[REQUEST_INVALID\] point_interval_seconds: /),
    });
    expect(await person.run(['policy', 'create', 'gold'])).toMatchObject({ status: 8, stderr: expect.stringContaining('[NAME_TAKEN]') });
  });

  it('are deleted by the beginning of their id', async () => {
    const { id } = await person.json<{ id: string }>(['policy', 'create', 'short-lived']);
    await person.json(['policy', 'delete', id.slice(0, 10)]);
    expect(await person.run(['policy', 'show', 'short-lived'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('[RESOURCE_NOT_FOUND]'),
    });
  });
});

describe('tokens', () => {
  it('are shown once, with lines to paste that name this server', async () => {
    const { stdout, stderr, status } = await person.run(['token', 'create', '--role', 'agent', '--note', 'rack 7']);
    expect({ status, advice: stderr.split('\n').length }).toEqual({ status: 0, advice: 2 });
    const [, secret] =
      /^echo '(\S{20,})' \| sudo holdfast-agent join --server 127\.0\.0\.1:\d+ --fingerprint [0-9a-f]{64}\n$/.exec(stdout) ?? [];
    expect(secret).toBeDefined();
    for (const output of ['table', 'json', 'yaml'])
      expect((await person.run(['token', 'list', '--output', output])).stdout).not.toContain(secret);
  });

  it('join one member, once; revoked, nobody', async () => {
    const create = () => person.json<{ id: string; secret: string }>(['token', 'create', '--role', 'agent', '--lifetime', '15min']);
    const hardware = path.join(directory, 'hardware.json');
    await writeFile(hardware, JSON.stringify({ productUuid: 'spec', productSerial: '', macAddresses: [], machineId: '' }));
    const join = (secret: string) =>
      runProcess(
        mainOf('mobility-agent'),
        [
          ...['join', '--server', server.url.replace('https://', ''), '--fingerprint', server.fingerprint],
          ...['--state.directory', path.join(directory, 'agent'), '--identity.hardware-file', hardware],
        ],
        { input: `${secret}\n` },
      );

    const revoked = await create();
    await person.json(['token', 'revoke', revoked.id.slice(0, 8)]);
    expect(await join(revoked.secret)).toMatchObject({ status: 3, stderr: expect.stringContaining('[TOKEN_UNKNOWN]') });
    expect((await person.json<{ id: string }[]>(['token', 'list'])).map(({ id }) => id)).not.toContain(revoked.id);

    const good = await create();
    expect(await join(good.secret)).toMatchObject({ status: 0, stderr: '' });
    expect(await join(good.secret)).toMatchObject({ status: 3, stderr: expect.stringContaining('[TOKEN_USED]') });
    const [machine, ...others] = await person.json<{ id: string; connected: boolean }[]>(['machine', 'list']);
    expect({ connected: machine?.connected, others }).toEqual({ connected: false, others: [] });
    expect(await person.json(['machine', 'remove', machine!.id.slice(0, 6)])).toMatchObject({ id: machine!.id, removed: true });
  });
});

describe('lists', () => {
  it.each(['machine', 'disk', 'policy', 'server', 'token', 'job', 'event'])('of %s are the same in all forms', async (noun) => {
    const rows = await person.json<unknown[]>([noun, 'list']);
    expect(Array.isArray(rows)).toBe(true);
    expect(parse((await person.run([noun, 'list', '--output', 'yaml'])).stdout)).toEqual(rows);
    const table = await person.run([noun, 'list']);
    expect(table).toMatchObject({ status: 0, stderr: '' });
    expect(table.stdout.trimEnd().split('\n')).toHaveLength(rows.length === 0 ? 1 : rows.length + 1);
  });

  it('go on over all pages', async () => {
    const all = await person.json<{ revision: number }[]>(['event', 'list', '--limit', '1000']);
    expect(all.length).toBeGreaterThan(2);
    expect(await person.json(['event', 'list', '--limit', '2'])).toEqual(all.slice(0, 2));
    expect(all.map(({ revision }) => revision)).toEqual(all.map(({ revision }) => revision).sort((a, b) => b - a));
  });
});

describe('watching', () => {
  it('tells what happens, over a restart of the server, and ends well by Ctrl-C', async () => {
    const watch = person.start(['event', 'watch', '--last', '1', '--output', 'json']);
    await watch.written(/\n/);
    await person.json(['policy', 'set', 'gold', '--name', 'seen-1']);
    await watch.written(/seen-1/);
    await server.process.kill();
    await server.process.start();
    await person.json(['policy', 'set', 'seen-1', '--name', 'seen-2']);
    await watch.written(/seen-2/);
    watch.interrupt();
    const { status, stdout } = await watch.ended;
    expect(status).toBe(0);
    const revisions = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).revision as number);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
  });
});

describe('the server', () => {
  it('that is away is told as such, and taken up again', async () => {
    await server.process.stop();
    const away = await person.run(['machine', 'list']);
    expect(away).toMatchObject({
      status: 9,
      stdout: '',
      stderr: expect.stringMatching(/^\[CONNECTION_LOST\] configuration server https:.*ECONNREFUSED/),
    });
    expect(away.stderr.trimEnd()).not.toContain('\n');
    await server.process.start();
    expect(await person.run(['machine', 'list'])).toMatchObject({ status: 0 });
  });

  it('whose authority was replaced, in order, is believed, and says so once', async () => {
    // The last step needs everybody to know of the one before; nobody is a member here.
    const shown = async (): Promise<{ phase: string; authorities: { fingerprint: string; signs: boolean }[] }> => {
      const { status, stdout, stderr } = await person.run(['authority', 'show', '--output', 'json']);
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Awaited<ReturnType<typeof shown>>;
    };
    const before = await shown();
    for (let step = 0; step < 3; step += 1) await person.run(['authority', 'rotate', '--force', '--yes']);
    await server.process.kill();
    await server.process.start();
    const after = await person.run(['policy', 'list']);
    expect(after.status).toBe(0);
    const { authorities } = await shown();
    const signs = authorities.find((one) => one.signs)!.fingerprint;
    expect(signs).not.toBe(before.authorities[0]!.fingerprint);
    expect((await person.json<{ fingerprint: string }>(['context', 'show'])).fingerprint).toBe(signs);
    expect(await person.run(['policy', 'list'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('that was set up anew on the same address is not believed', async () => {
    await server.process.stop();
    const imposter = await startConfigurationServer({ directory: path.join(directory, 'imposter'), port: server.port });
    try {
      const refused = await person.run(['machine', 'list']);
      expect(refused).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('not the server you logged in at') });
      expect(await readFile(path.join(directory, 'imposter/log'), 'utf8')).not.toContain(server.administratorToken.trim());
    } finally {
      await imposter.process.stop();
    }
    await server.process.start();
  });
});
