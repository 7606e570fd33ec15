import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Severity } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';
import { TOKEN } from '../testing/script.ts';
import { knownSecrets, redactor } from './redact.ts';

/** One of each kind that may stand anywhere. */
const SECRETS: Readonly<Record<string, string>> = {
  token: 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v',
  keyFile: 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=',
  signature: 'Tm90QVNpZ25hdHVyZUF0QWxs%3D',
  account: 'QWNjb3VudEtleU9mU29tZWJvZHk=',
  password: 'correct horse battery',
  bearer: 'ey-not-a-jwt.but.a.bearer.token',
  environment: 'from-the-environment',
  urlPassword: 'proxy-password',
};

const TEXT = `
{"level":"info","message":"joined","token":"${SECRETS['token']}"}
echo ${SECRETS['token']} | sudo holdfast-agent join --server x
GET https://acme.blob.core.windows.net/vault?sv=2020&sig=${SECRETS['signature']}&se=2030
DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${SECRETS['account']};EndpointSuffix=core.windows.net
authorization: Bearer ${SECRETS['bearer']}
proxy http://somebody:${SECRETS['urlPassword']}@proxy:3128 with ${SECRETS['environment']}
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg
-----END PRIVATE KEY-----
key ${SECRETS['keyFile']}
`;

const SETTINGS = `
email:
  server: smtp.example.com
  password: ${SECRETS['password']}
  password-file: /etc/holdfast/mail.password
vaults:
  office: { url: file:/srv/vault, key-file: /var/lib/office.key, azure-sas: "${SECRETS['signature']}" }
`;

const isPlanted = (text: string): string[] =>
  [...Object.values(SECRETS), TOKEN, 'MIGHAgEAMBMGByqGSM49'].filter((secret) => text.includes(secret));

describe('what is taken out of a text', () => {
  const clean = redactor(
    knownSecrets({ HOLDFAST_PASSPHRASE: SECRETS['environment'], HOME: '/root', AZURE_STORAGE_KEY_FILE: '/etc/key' }, []),
  );

  it('is every secret, of all forms', () => {
    expect(isPlanted(TEXT + SETTINGS).length).toBeGreaterThan(Object.keys(SECRETS).length - 1);
    expect(isPlanted(clean(TEXT + SETTINGS))).toEqual([]);
  });

  it('is nothing else: ids, fingerprints, paths, words', () => {
    const kept = [
      'a'.repeat(32),
      '0123456789abcdef'.repeat(4),
      'password-file: /etc/holdfast/mail.password',
      'key-file: /var/lib/office.key',
      'AccountName=acme',
      'the token was used before',
      'https://acme.blob.core.windows.net/vault',
      'token-file: /etc/token',
    ];
    for (const text of kept) expect(clean(text)).toBe(text);
  });
});

describe('support-bundle', () => {
  let directory: string;
  let person: LoggedIn;
  let program: Server;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-support-'));
    const script = sampleScript();
    script.events.push({ revision: 99n, severity: Severity.WARNING, code: 'x', text: TEXT, subject: '' });
    script.machines[0]!.name = 'db1';
    person = await logIn(script);
    program = createServer((_, response) => response.writeHead(503).end(TEXT));
    await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve));
    await mkdir(path.join(directory, 'settings'));
    await writeFile(path.join(directory, 'settings', 'agent.yaml'), SETTINGS);
    await writeFile(path.join(directory, 'my.log'), TEXT);
  });
  afterAll(async () => {
    await person.close();
    await new Promise((resolve) => program.close(resolve));
    await rm(directory, { recursive: true });
  });

  const file = (name: string): string => path.join(directory, name);
  const make = (to: string) => {
    const { port } = program.address() as AddressInfo;
    const health = ['agent', 'process-server', 'configuration-server'].flatMap((one) => [
      '--health',
      `${one}=127.0.0.1:${one === 'agent' ? port : 1}`,
    ]);
    const environment = { HOLDFAST_CLI_DIRECTORY: person.directory, HOLDFAST_PASSPHRASE: SECRETS['environment'] };
    return person.run(
      ['support-bundle', '--to', to, '--settings', file('settings'), '--log', file('my.log'), ...health, '--output', 'json'],
      { environment },
    );
  };

  it('holds what helps, and none of the secrets that are planted everywhere', async () => {
    const { status, stdout } = await make(file('bundle.tar.gz'));
    expect(status).toBe(0);
    expect((await stat(file('bundle.tar.gz'))).mode & 0o777).toBe(0o600);
    const unpacked = file('unpacked');
    await mkdir(unpacked);
    // The other side of our tar is the one that people have.
    execFileSync('tar', ['xzf', file('bundle.tar.gz'), '-C', unpacked]);
    const all = execFileSync('grep', ['-rn', '', unpacked], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    expect(isPlanted(all)).toEqual([]);
    expect(all).toContain('site/machines.json');
    expect(all).toContain('programs/agent/settings.yaml');
    expect(all).toContain('"name": "db1"');
    expect(all).toContain('smtp.example.com');
    expect(all).toContain('logs/1-my.log');
    expect(all).toMatch(/contexts\.json.*"server": "https/);
    expect((JSON.parse(stdout) as { missing: string[] }).missing).toEqual(
      expect.arrayContaining(['programs/process-server/health.json', 'programs/process-server/settings.yaml']),
    );
  });

  it('never writes over a file, and is made without a server too', async () => {
    await writeFile(file('there'), 'mine');
    expect(await make(file('there'))).toMatchObject({ status: expect.any(Number), stderr: expect.stringContaining(file('there')) });
    await person.site.close();
    const { status, stdout } = await make(file('alone.tar.gz'));
    expect({ status, missing: (JSON.parse(stdout) as { missing: string[] }).missing }).toMatchObject({
      status: 0,
      missing: expect.arrayContaining(['site/machines.json']),
    });
    await person.site.reopen();
  });
});
