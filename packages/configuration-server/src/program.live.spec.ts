import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { AuthorityService, EventService, PolicyService, type Server, ServerService } from '@holdfast/protocol';

type Line = Readonly<Record<string, unknown>> & { readonly message: string; readonly program: string };

const NODE_FLAGS = ['--conditions=@holdfast/source', '--disable-warning=ExperimentalWarning'];

interface Running {
  readonly child: ChildProcess;
  readonly lines: readonly Line[];
  /** The first line with this message, of `program`. */
  line(message: string, program?: string): Promise<Line>;
  readonly ended: Promise<number | string>;
}

let directory: string;
const running = new Set<ChildProcess>();
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-program-'));
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  }
  await rm(directory, { recursive: true });
});

const start = (flags: readonly string[] = []): Running => {
  const { HOLDFAST_TESTS: _ours, ...environment } = process.env;
  const main = path.join(__dirname, 'main.ts');
  const common = [
    `--state.directory=${directory}/cs`,
    '--listen.address=127.0.0.1:0',
    '--listen.names=127.0.0.1',
    '--http.listen=127.0.0.1:0',
  ];
  const child = spawn(process.execPath, [...NODE_FLAGS, main, ...common, ...flags], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: Line[] = [];
  const waiters = new Set<() => void>();
  let over = false;
  const wake = (): void => {
    for (const look of [...waiters]) look();
  };
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line.startsWith('{') ? (JSON.parse(line) as Line) : { message: line, program: '' });
      wake();
    });
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (status, signal) => {
      running.delete(child);
      over = true;
      wake();
      resolve(signal ?? status ?? 'nothing');
    }),
  );
  return {
    child,
    lines,
    ended,
    line: (message, program = 'holdfast-configuration-server') =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line.message === message && line.program === program);
          if (found === undefined && !over) return;
          waiters.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`it ended without saying "${message}": ${lines.map((line) => line.message).join('\n')}`));
        };
        waiters.add(look);
        look();
      }),
  };
};

const READY = 'The program does its work';

const clientOf = async (program: Running) => {
  const { port } = await program.line('Machines, servers and people are served');
  const token = (await readFile(path.join(directory, 'cs', 'administrator.token'), 'utf8')).trim();
  return createConnectTransport({
    baseUrl: `https://127.0.0.1:${port}`,
    httpVersion: '1.1',
    nodeOptions: { rejectUnauthorized: false },
    interceptors: [
      (next) => (request) => {
        request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
};

const eventually = async <T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> => {
  for (let tries = 0; tries < 600; tries += 1) {
    const value = await ask();
    if (fits(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it never came to be');
};

describe('the program', () => {
  it('keeps its secrets to itself and what it was told over a SIGKILL', async () => {
    const first = start();
    await first.line(READY);
    for (const file of ['administrator.token', 'authority/authority.key'])
      expect((await stat(path.join(directory, 'cs', file))).mode & 0o777).toBe(0o600);
    const policies = createClient(PolicyService, await clientOf(first));
    const { policy } = await policies.createPolicy({ policy: { name: 'kept', retention: '15d' } });
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    const second = start();
    await second.line(READY);
    const again = createClient(PolicyService, await clientOf(second));
    expect((await again.listPolicies({})).policies.find(({ name }) => name === 'kept')).toEqual(policy);
    const fingerprints = await Promise.all([first, second].map((one) => one.line('Machines, servers and people are served')));
    expect(fingerprints[0]!.fingerprint).toBe(fingerprints[1]!.fingerprint);
    expect((await createClient(EventService, await clientOf(second)).listEvents({})).events.map(({ code }) => code)).toEqual([
      'policy-created',
      'installation-created',
    ]);
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  });

  it('says that its port is taken', async () => {
    const first = start();
    const { port } = await first.line('Machines, servers and people are served');
    const second = start([`--listen.address=127.0.0.1:${port}`, `--state.directory=${directory}/other`]);
    expect(await second.ended).toBe(8);
    expect(second.lines.map((line) => JSON.stringify(line)).join()).toContain('ADDRESS_IN_USE');
  });

  const JOINED = 'The process server on this machine joined';

  it('runs the process server of its machine: joins it, starts it again, ends it', async () => {
    const config = path.join(directory, 'ps.yaml');
    await writeFile(config, 'http: { listen: "127.0.0.1:0" }\n');
    const command = [process.execPath, ...NODE_FLAGS, path.join(__dirname, 'testing', 'joining-program.ts')].join(',');
    const flags = [
      '--local-process-server.enabled=true',
      `--local-process-server.command=${command}`,
      `--local-process-server.config=${config}`,
      `--local-process-server.state-directory=${directory}/ps`,
    ];
    const program = start(flags);
    await program.line(READY);
    const servers = createClient(ServerService, await clientOf(program));
    const one = async (): Promise<Server | undefined> => (await servers.listServers({})).servers[0];
    const connected = await eventually(one, (server) => server?.connected === true);
    expect(connected).toMatchObject({ vaults: ['office'], endpoints: ['127.0.0.1:9443'] });
    const { child: pid } = (await program.line('A program was started')) as unknown as { child: number };
    process.kill(pid, 'SIGKILL');
    await program.line('A program ended and is started again');
    await eventually(one, (server) => server?.connected === false);
    await eventually(one, (server) => server?.connected === true);
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    const pids = program.lines.filter(({ message }) => message === 'A program was started').map((line) => Number(line.child));
    expect(pids.length).toBeGreaterThan(1);
    for (const old of pids) expect(() => process.kill(old, 0)).toThrow('ESRCH');

    const again = start(flags);
    await again.line(READY);
    const { servers: all } = await createClient(ServerService, await clientOf(again)).listServers({});
    expect(all.map(({ id }) => id)).toEqual([connected!.id]);
    expect(again.lines.some(({ message }) => message === JOINED)).toBe(false);
    // Its authority is a stranger to it after that: it joins anew.
    await createClient(AuthorityService, await clientOf(again)).rotateAuthority({ phase: 'steady', compromised: true });
    again.child.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    const third = start(flags);
    await third.line(READY);
    await third.line(JOINED);
    const anew = createClient(ServerService, await clientOf(third));
    await eventually(
      async () => (await anew.listServers({})).servers[0],
      (server) => server?.id === connected!.id && server.connected,
    );
    third.child.kill('SIGTERM');
    expect(await third.ended).toBe(0);
  });
});
