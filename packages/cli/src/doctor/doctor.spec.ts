import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Severity } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { createTestWorld } from '../testing/run-command.ts';
import { sampleScript } from '../testing/sample-site.ts';
import { PORTS } from './ports.ts';

const DOCUMENT = readFileSync(path.join(__dirname, '../../../../docs/operations.md'), 'utf8');

describe('the ports', () => {
  it('are those of docs/operations.md, all of them', () => {
    const table = /## Ports\n\n\|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(DOCUMENT)?.[1] ?? '';
    const rows = table
      .trim()
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rows.map(([, port, listens]) => [Number(port), listens])).toEqual(PORTS.map(({ port, listens }) => [port, listens]));
  });
});

/** A program that says how it is. */
const listen = async (status: number, body: object): Promise<{ server: Server; address: string }> => {
  const server = createServer((_, response) => response.writeHead(status).end(JSON.stringify(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
};

/** Nobody listens at these. */
const NOBODY = ['agent', 'process-server', 'configuration-server'].flatMap((program) => ['--health', `${program}=127.0.0.1:1`]);

describe('doctor', () => {
  let person: LoggedIn;
  beforeEach(async () => {
    person = await logIn(sampleScript());
  });
  afterEach(() => person.close());
  type Rows = { findings: { check: string; of: string; result: string; found: string; remedy: string }[]; well: boolean };
  const examine = async (...args: string[]): Promise<Rows & { status: number }> => {
    const { stdout, status } = await person.run(['doctor', ...NOBODY, ...args, '--output', 'json']);
    return { ...(JSON.parse(stdout) as Rows), status };
  };

  it('finds the way to servers, the login and alerts, and says what to do', async () => {
    person.site.script.servers[0]!.endpoints = [new URL(person.site.url).host, '127.0.0.1:1'];
    person.site.script.alerts.push({
      id: 'a'.repeat(32),
      code: 'rpo-exceeded',
      subjectName: 'db1',
      severity: Severity.WARNING,
      text: 'it is late',
    });
    const { findings, well, status } = await examine();
    expect({ well, status }).toEqual({ well: false, status: 1 });
    const of = (check: string) => findings.filter((one) => one.check === check).map(({ of: thing, result }) => [thing, result]);
    expect(of('port')).toEqual(
      expect.arrayContaining([
        ['ps1 1', 'failed'],
        [`ps1 ${new URL(person.site.url).port}`, 'passed'],
        [`configuration server ${new URL(person.site.url).port}`, 'passed'],
      ]),
    );
    expect(findings[0]).toMatchObject({ result: 'failed', remedy: expect.stringContaining('open port 1 of 127.0.0.1:1') });
    expect(of('login')).toEqual([['test', 'passed']]);
    expect(of('alert rpo-exceeded')).toEqual([['db1', 'warning']]);
    expect(of('program').map(([, result]) => result)).toEqual(['quiet', 'quiet', 'quiet']);
  });

  it('reads what the programs here say, and misses the one that has to be here', async () => {
    person.site.script.servers[0]!.endpoints = [];
    const well = await listen(200, { live: true, ready: true, checks: [] });
    const ill = await listen(503, {
      live: true,
      ready: false,
      checks: [{ name: 'vault office', tells: 'ready', problem: 'NO_PERMISSION: it is refused' }],
    });
    const { findings } = await examine(
      '--health',
      `agent=${well.address}`,
      '--health',
      `process-server=${ill.address}`,
      '--component',
      'configuration-server',
    );
    await Promise.all([well.server, ill.server].map((server) => new Promise((resolve) => server.close(resolve))));
    const programs = findings.filter(({ check }) => check === 'program');
    expect(programs.map(({ of, result, found }) => [of, result, found])).toEqual([
      ['process-server', 'failed', 'vault office: NO_PERMISSION: it is refused'],
      ['configuration-server', 'failed', 'nothing answers at 127.0.0.1:1'],
      ['agent', 'passed', `it works, at ${well.address}`],
    ]);
    expect(programs[1]!.remedy).toContain('systemctl start holdfast-configuration-server');
  });

  it('says that the server is away, or that there is no login, and goes on', async () => {
    await person.site.close();
    const { findings, status } = await examine();
    expect({ status, first: findings[0] }).toMatchObject({ status: 1, first: { check: 'port', result: 'failed' } });
    await person.site.reopen();
    const stranger = await createTestWorld().run(['doctor', ...NOBODY], { environment: { HOLDFAST_CLI_DIRECTORY: '/nowhere' } });
    expect(stranger).toMatchObject({ status: 0, stdout: expect.stringMatching(/warning +login +configuration server +SIGN_IN_NEEDED/) });
  });

  it('refuses an address of a program that there is not', async () => {
    expect(await person.run(['doctor', '--health', 'portal=127.0.0.1:1'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('agent='),
    });
  });
});
