import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPerson, type Person, runProcess } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { freePort } from './free-port.ts';
import { mainOf } from './from-source.ts';
import { createProgramProcess, type ProgramProcess } from './program-process.ts';
import { writeSettings } from './settings-files.ts';

interface Checked {
  readonly passed: boolean;
  readonly findings: readonly { readonly code: string; readonly result: string; readonly thing: string; readonly text: string }[];
}

const MIB = 1024 * 1024;

/** Real programs: a configuration server, a process server with a vault in a folder, and an agent of a machine whose disk is an image file. */
describe.unless(lacks('root', 'qemu-system-x86_64', 'qemu-img'), 'prerequisites, by the programs as they are', () => {
  let directory: string;
  let server: ConfigurationServer;
  let person: Person;
  const programs: ProgramProcess[] = [];

  const join = async (role: 'agent' | 'process-server', config: string): Promise<void> => {
    const { secret } = await person.json<{ secret: string }>(['token', 'create', '--role', role]);
    const main = mainOf(role === 'agent' ? 'mobility-agent' : 'process-server');
    const place = ['join', '--server', server.url.replace('https://', ''), '--fingerprint', server.fingerprint, '--config', config];
    const { status, stderr } = await runProcess(main, place, { input: `${secret}\n` });
    if (status !== 0) throw new Error(stderr);
  };

  const start = async (name: string, settings: Readonly<Record<string, unknown>>): Promise<ProgramProcess> => {
    const role = name.startsWith('process-server') ? 'process-server' : 'agent';
    const { config, logFile } = writeSettings(directory, name, { http: { listen: '127.0.0.1:0' }, ...settings });
    await join(role, config);
    const program = createProgramProcess({ name, main: mainOf(role === 'agent' ? 'mobility-agent' : 'process-server'), config, logFile });
    programs.push(program);
    await program.start();
    return program;
  };

  const check = async (...args: string[]): Promise<Checked & { status: number | null }> => {
    const { stdout, stderr, status } = await person.run([...args, '--output', 'json']);
    if (stdout === '') throw new Error(stderr);
    return { ...(JSON.parse(stdout) as Checked), status };
  };
  const missing = ({ findings }: Checked, result = 'failed'): string[] =>
    findings.filter((one) => one.result === result).map(({ code, thing }) => `${code} ${thing}`);
  const until = async (look: () => Promise<boolean>): Promise<void> => {
    while (!(await look()));
  };

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-prerequisites-'));
    server = await startConfigurationServer({ directory: path.join(directory, 'server') });
    person = createPerson(path.join(directory, 'person'));
    await person.run(['login', '--server', server.url, '--fingerprint', server.fingerprint, '--name', 'here'], server.administratorToken);
    const key = path.join(directory, 'office.key');
    await person.run([
      ...['vault', 'create', '--store', `file:${path.join(directory, 'vault')}`, '--name', 'office'],
      ...['--new-key-file', key, '--recovery-kit', path.join(directory, 'kit.txt')],
    ]);
    await writeFile(path.join(directory, 'disk.img'), Buffer.alloc(4 * MIB, 7));
    await writeFile(path.join(directory, 'wrong.key'), 'this is no key');
    const port = await freePort();
    await start('process-server', {
      replication: { listen: `127.0.0.1:${port}`, advertise: [`127.0.0.1:${port}`, '127.0.0.1:1'] },
      vaults: {
        office: { url: `file:${path.join(directory, 'vault')}`, 'key-file': key },
        lost: { url: `file:${path.join(directory, 'nowhere')}`, 'key-file': path.join(directory, 'wrong.key') },
      },
      // Short: Unix sockets live below it.
      recovery: { directory: path.join(directory, 'r') },
    });
    await writeFile(
      path.join(directory, 'hardware.json'),
      JSON.stringify({ productUuid: 'x1', productSerial: '', macAddresses: [], machineId: '' }),
    );
    await start('agent', {
      disks: { include: [path.join(directory, 'disk.img')] },
      identity: { 'hardware-file': path.join(directory, 'hardware.json') },
      hrl: { quota: '64MiB', memory: '0B' },
    });
    await until(async () => (await person.json<{ connected: boolean }[]>(['machine', 'list'])).some(({ connected }) => connected));
  }, 300_000);
  afterAll(async () => {
    for (const program of programs) await program.stop();
    await server?.process.stop();
    await rm(directory, { recursive: true });
  });

  it('are all there; each side looked, and one of two addresses is enough', async () => {
    const [machine] = await person.json<{ name: string }[]>(['machine', 'list']);
    // What has not reported yet cannot look.
    let found = await check('protect', machine!.name, '--vault', 'office', '--check-only');
    await until(async () => {
      found = await check('protect', machine!.name, '--vault', 'office', '--check-only');
      return missing(found, 'unknown').length === 0;
    });
    expect({ status: found.status, missing: missing(found) }).toEqual({ status: 0, missing: [] });
    const passed = missing(found, 'passed').map((one) => one.split(' ')[0]);
    for (const code of [
      'machine-answers',
      'agent-root',
      'disk-kind',
      'log-space',
      'server-answers',
      'vault-key',
      'vault-rights',
      'server-reachable',
    ])
      expect(passed).toContain(code);
    expect(missing(found, 'warning')).toContain('server-reachable 127.0.0.1:1');
  }, 120_000);

  it('that are missing are named, with all else, and nothing begins', async () => {
    const [machine] = await person.json<{ name: string }[]>(['machine', 'list']);
    const found = await check('protect', machine!.name, '--vault', 'lost', '--check-only');
    expect(found).toMatchObject({ status: 1, passed: false });
    expect(missing(found)).toEqual(['vault-key lost']);
    const refused = await person.run(['protect', machine!.name, '--vault', 'lost']);
    expect(refused).toMatchObject({ status: 8, stderr: expect.stringMatching(/PREREQUISITES_MISSING.*vault-key \(lost\)/) });
    expect(await person.json(['job', 'list'])).toEqual([]);
  }, 120_000);

  it('name a bridge that the host of the process server does not have, before anything begins', async () => {
    const [machine] = await person.json<{ name: string }[]>(['machine', 'list']);
    const wanted = ['protect', machine!.name, '--vault', 'office', '--network', 'hf-none0', '--test-network', 'isolated'];
    const found = await check(...wanted, '--check-only');
    expect(found).toMatchObject({ status: 1, passed: false });
    expect(missing(found)).toEqual(['target-bridge hf-none0']);
    const text = found.findings.find(({ code }) => code === 'target-bridge')!.text;
    expect(text).toMatch(/: network hf-none0: the host has no bridge hf-none0; a failover uses it$/);
    const refused = await person.run(wanted);
    expect(refused).toMatchObject({ status: 8, stderr: expect.stringMatching(/PREREQUISITES_MISSING.*target-bridge \(hf-none0\)/) });
    expect(await person.json(['job', 'list'])).toEqual([]);
  }, 120_000);

  it('let it be protected; the policy for the way home is there, and what is checked later counts', async () => {
    const [machine] = await person.json<{ name: string }[]>(['machine', 'list']);
    const { status, stderr } = await person.run(['protect', machine!.name, '--vault', 'office', '--wait']);
    expect({ status, told: stderr.includes('warning: server-reachable') }).toEqual({ status: 0, told: true });
    const policies = await person.json<{ name: string; failbackOf: string | null }[]>(['policy', 'list']);
    expect(policies.map(({ name }) => name).toSorted()).toEqual(['default', 'default-failback']);
    expect(missing(await check('machine', 'check', machine!.name))).toEqual([]);
    expect(missing(await check('machine', 'check', machine!.name, '--last'))).toEqual([]);
    const doctor = await person.run(['doctor', '--output', 'json']);
    const ports = (JSON.parse(doctor.stdout) as { findings: { check: string; result: string }[] }).findings.filter(
      (one) => one.check === 'port',
    );
    expect(ports.map(({ result }) => result).toSorted()).toEqual(['failed', 'passed', 'passed']);
  }, 300_000);
});
