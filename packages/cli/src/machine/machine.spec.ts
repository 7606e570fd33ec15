import { stripVTControlCharacters } from 'node:util';
import { parse } from 'yaml';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

const GIB = 2 ** 30;

describe('machine list', () => {
  it('tells how safe each machine is', async () => {
    const { status, stdout, stderr } = await person.run(['machine', 'list']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(
      [
        'MACHINE  ID            HEALTH    AGENT           STATE        RPO  MADE  DISKS  PROVEN  VAULT   POLICY',
        'db1      db1000000000  critical  connected       copying      4 s   321      2          office  gold',
        'web      bb2000000000  healthy   away 2 h 0 min  unprotected                 0',
        '',
      ].join('\n'),
    );
  });

  it('tells programs all of it, by contract', async () => {
    const [db1, web] = (await person.json(['machine', 'list'])) as Record<string, unknown>[];
    expect(db1).toMatchObject({
      id: SAMPLE.db1,
      version: 7,
      connected: true,
      lastSeen: '2026-11-22T11:59:58.000Z',
      operatingSystem: 'Debian GNU/Linux 12 (bookworm)',
      memory: 8 * GIB,
      protection: {
        state: 'copying',
        detail: '1 of 2 disks',
        vault: 'office',
        policy: { id: SAMPLE.gold, name: 'gold' },
        processServer: { id: SAMPLE.ps1, name: 'ps1' },
      },
      rpoSeconds: 4.2,
      newestPoint: '2026-11-22T11:59:56.000Z',
      points: 321,
      pending: { source: 8 * 2 ** 20, processServer: 3 * 2 ** 20, storage: 2 ** 20 },
      withoutServer: { seconds: 75, problem: '[CONNECTION_LOST] process server ps1: nobody answers' },
      disks: [
        { id: SAMPLE.sda, name: 'sda', size: 20 * GIB, phase: 'replicating', copied: 20 * GIB, excluded: false, problem: null },
        { id: SAMPLE.sdb, name: 'sdb', phase: 'copying', problem: { code: 'IO_FAILED', text: 'sector 7 cannot be read' } },
      ],
    });
    expect(web).toMatchObject({ protection: null, rpoSeconds: null, newestPoint: null, disks: [] });
  });

  it('is the same as YAML', async () => {
    const { stdout } = await person.run(['machine', 'list', '--output', 'yaml']);
    expect(parse(stdout)).toEqual(await person.json(['machine', 'list']));
  });

  it('reads all pages, and no more than it has to', async () => {
    const [first] = person.site.script.machines;
    person.site.script.machines = Array.from({ length: 1203 }, (_, at) => ({
      ...first!,
      id: at.toString(16).padStart(32, '0'),
      name: `m${at}`,
    }));
    const names = (rows: unknown): unknown[] => (rows as { name: string }[]).map(({ name }) => name);
    const all = names(await person.json(['machine', 'list']));
    expect(all).toEqual(Array.from({ length: 1203 }, (_, at) => `m${at}`));
    expect(person.site.calls.filter((call) => call === 'MachineService.ListMachines')).toHaveLength(3);
    person.site.calls.length = 0;
    expect(names(await person.json(['machine', 'list', '--limit', '7']))).toEqual(all.slice(0, 7));
    expect(person.site.calls.filter((call) => call === 'MachineService.ListMachines')).toHaveLength(1);
  });

  it('says what to do when there is none', async () => {
    person.site.script.machines = [];
    expect((await person.run(['machine', 'list'])).stdout).toContain('holdfast token create --role agent');
  });

  it('does not let names of machines steer the terminal', async () => {
    Object.assign(person.site.script.machines[0]!, { name: 'db\u001b[2J1' });
    expect((await person.run(['machine', 'list'])).stdout).toContain('db?[2J1');
  });

  it.each([60, 80, 100, 120])('fits a terminal of %s columns, like all lists', async (columns) => {
    for (const noun of ['machine', 'disk', 'policy', 'server', 'token', 'job', 'event', 'context']) {
      const lines: string[] = [];
      const stdout = { isTTY: true, columns, write: (text: string) => lines.push(...stripVTControlCharacters(text).split('\n')) };
      await person.run([noun, 'list'], { stdout });
      expect({ noun, fits: Math.max(...lines.map(({ length }) => length)) <= columns }).toEqual({ noun, fits: true });
      expect(lines.length).toBeGreaterThan(1);
    }
  });

  it('has colours on terminals only, and not when nobody wants them', async () => {
    const run = async (stdout: { isTTY: boolean }, environment = {}) => {
      const written: string[] = [];
      await person.run(['machine', 'list'], {
        stdout: { ...stdout, columns: 200, write: (text) => written.push(text) },
        environment: { HOLDFAST_CLI_DIRECTORY: person.directory, ...environment },
      });
      return written.join('');
    };
    expect(await run({ isTTY: true })).toContain('\u001b[32mconnected\u001b[0m');
    for (const plain of [
      await run({ isTTY: false }),
      await run({ isTTY: true }, { NO_COLOR: '1' }),
      await run({ isTTY: true }, { TERM: 'dumb' }),
    ])
      expect(plain).not.toContain('\u001b');
  });
});

describe('machine show', () => {
  it.each(['db1', SAMPLE.db1, 'DB1', 'db10'])('finds it by %s', async (word) => {
    expect(await person.json(['machine', 'show', word])).toMatchObject({ name: 'db1', version: 7 });
  });

  it('tells a page', async () => {
    const { stdout } = await person.run(['machine', 'show', 'db1']);
    expect(stdout).toContain('goes to     vault office through ps1, policy gold');
    expect(stdout).toContain('321 points made since it is protected, the newest of 2026-11-22T11:59:56.000Z; RPO 4 s');
    expect(stdout).toContain('cannot send for 1 min 15 s: [CONNECTION_LOST] process server ps1: nobody answers; it goes on making points');
    expect(stdout).toContain('pending     8.0 MiB at the machine, 3.0 MiB in the journal, 1.0 MiB of it on the way into the store');
    expect(stdout).toContain('churn       90 % below 1 MB/s, 9 % below 2 MB/s, 1 % above; at most ');
    expect(stdout).toMatch(/sdb +dbb000000000 +100 GiB +copying +25\.0 GiB \(25 %\) +\[IO_FAILED\] sector 7/);
  });

  it.each([
    ['db2', 4, /\[MACHINE_NOT_FOUND\] machine db2: .*did you mean db1\?/],
    ['d', 4, /\[MACHINE_NOT_FOUND\]/],
  ])('does not guess what %s is', async (word, status, told) => {
    expect(await person.run(['machine', 'show', word])).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(told) });
  });

  it('asks for more when several are meant', async () => {
    person.site.script.machines.push({ id: 'db1f'.padEnd(32, '0'), name: 'db9' });
    expect(await person.run(['machine', 'show', 'db1'])).toMatchObject({ status: 0 });
    expect(await person.run(['machine', 'show', 'db'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('[SETTING_INVALID] machine db: 2 machines are meant'),
    });
  });
});

describe('machine remove', () => {
  it('names the version it saw', async () => {
    expect(await person.json(['machine', 'remove', 'web'])).toEqual({ id: SAMPLE.web, name: 'web', removed: true });
    expect(person.site.script.machines.map(({ name }) => name)).toEqual(['db1']);
  });

  it('does not remove what somebody changed meanwhile', async () => {
    person.site.script.before = (method) => {
      if (method === 'MachineService.RemoveMachine') Object.assign(person.site.script.machines[1]!, { version: 2n });
    };
    expect(await person.run(['machine', 'remove', 'web'])).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('[VERSION_CONFLICT]'),
    });
    expect(person.site.script.machines).toHaveLength(2);
  });
});

describe('disk list', () => {
  it('tells the disks of all machines, or of one, in their order', async () => {
    const names = async (...args: string[]) =>
      ((await person.json(['disk', 'list', ...args])) as { machine: string; name: string }[]).map(
        ({ machine, name }) => `${machine}/${name}`,
      );
    expect(await names()).toEqual(['db1/sda', 'db1/sdb']);
    expect(await names('--machine', 'db')).toEqual(['db1/sda', 'db1/sdb']);
    expect(await names('--machine', 'web')).toEqual([]);
    expect(await names('--limit', '1')).toEqual(['db1/sda']);
  });

  it('says which are left out', async () => {
    Object.assign(person.site.script.protections[0]!, { excludedDiskIds: [SAMPLE.sdb] });
    expect((await person.run(['disk', 'list'])).stdout).toMatch(/db1 +sdb +dbb000000000 +100 GiB +excluded/);
  });
});
