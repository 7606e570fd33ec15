import { JobState, PointKind } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());
// The library tells there of every connection that is cut on purpose.
beforeEach(() => void jest.spyOn(console, 'error').mockImplementation());
afterEach(() => jest.restoreAllMocks());

/** Lets the newest job take its course: one state for each look at it. */
const play = (...course: readonly { state: JobState; progress?: number; problemCode?: string; problem?: string }[]): void => {
  const left = [...course];
  person.site.script.before = (method) => {
    if (method !== 'look') return;
    const next = left.shift();
    if (next !== undefined) person.site.script.jobs[0] = { ...person.site.script.jobs[0]!, ...next };
  };
};

describe('protect', () => {
  it('names machine, policy, server and disks by their ids', async () => {
    const job = await person.json([...['protect', 'web', '--vault', 'office', '--policy', 'silver', '--process-server', '95']]);
    expect(job).toMatchObject({ kind: 'protect', state: 'running', machine: { id: SAMPLE.web, name: 'web' } });
    expect(person.site.script.protections.at(-1)).toMatchObject({
      machineId: SAMPLE.web,
      vault: 'office',
      policyId: SAMPLE.silver,
      processServerId: SAMPLE.ps1,
      excludedDiskIds: [],
    });
    await person.json(['protect', 'db1', '--vault', 'v', '--exclude-disk', 'sdb', '--exclude-disk', SAMPLE.sda]);
    expect(person.site.script.protections.at(-1)).toMatchObject({
      policyId: '',
      processServerId: '',
      excludedDiskIds: [SAMPLE.sdb, SAMPLE.sda],
    });
  });

  it('says as what and where the machine is recovered', async () => {
    await person.json(['protect', 'web', '--vault', 'office']);
    expect(person.site.script.protections.at(-1)!.target).toBeUndefined();
    await person.json(['protect', 'web', '--vault', 'office', '--network', 'br0', '--test-network', 'br-test', '--size', '4x8GiB']);
    expect(person.site.script.protections.at(-1)!.target).toMatchObject({
      network: 'br0',
      testNetwork: 'br-test',
      size: '4x8GiB',
      fabric: '',
    });
  });

  it('sends nothing when a disk, policy or server is unknown', async () => {
    for (const [args, code] of [
      [['--exclude-disk', 'sdz'], 'DEVICE_NOT_FOUND'],
      [['--policy', 'bronze'], 'RESOURCE_NOT_FOUND'],
      [['--process-server', 'ps7'], 'RESOURCE_NOT_FOUND'],
    ] as const)
      expect(await person.run(['protect', 'db1', '--vault', 'v', ...args])).toMatchObject({
        status: 4,
        stderr: expect.stringContaining(`[${code}]`),
      });
    expect(person.site.calls).not.toContain('ProtectionService.Protect');
  });

  it('says how to follow the job, or waits for it', async () => {
    expect((await person.run(['protect', 'web', '--vault', 'office'])).stdout).toMatch(/Follow it with `holdfast job watch [0-9a-f]{12}`/);
    play({ state: JobState.RUNNING, progress: 0.5 }, { state: JobState.SUCCEEDED, progress: 1 });
    const waited = await person.run(['protect', 'web', '--vault', 'office', '--wait']);
    expect(waited).toMatchObject({ status: 0, stdout: expect.stringContaining('protect web, succeeded') });
    expect(waited.stderr).toContain('protect [############------------] 50 %  running');
  });

  it('ends with 1 when the job it waits for fails', async () => {
    play({ state: JobState.FAILED, problemCode: 'NO_SPACE', problem: '[NO_SPACE] the vault is full' });
    expect(await person.run(['protect', 'web', '--vault', 'office', '--wait'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('[NO_SPACE] the vault is full'),
    });
  });
});

describe('machine point', () => {
  it('asks for the kind that is wanted, and ends with 1 when it became a lesser one', async () => {
    expect(await person.json(['machine', 'point', 'db1'])).toMatchObject({ kind: 'point', machine: { name: 'db1' } });
    await person.json(['machine', 'point', 'db1', '--filesystem']);
    play({ state: JobState.FAILED, problemCode: 'POINT_NOT_CONSISTENT', problem: '[POINT_NOT_CONSISTENT] a script failed' });
    expect(await person.run(['machine', 'point', 'db1', '--application', '--wait'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('[POINT_NOT_CONSISTENT] a script failed'),
    });
    expect(person.site.script.asked).toEqual([PointKind.CRASH, PointKind.FILESYSTEM, PointKind.APPLICATION]);
    expect(await person.run(['machine', 'point', 'db1', '--application', '--filesystem'])).toMatchObject({ status: 2 });
  });
});

describe('unprotect', () => {
  it('names the version it saw', async () => {
    play({ state: JobState.SUCCEEDED });
    expect(await person.run(['unprotect', 'db1', '--yes', '--wait'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('unprotect db1'),
    });
  });

  it('refuses a machine that is not protected', async () => {
    expect(await person.run(['unprotect', 'web'])).toMatchObject({ status: 8, stderr: expect.stringContaining('[MACHINE_NOT_PROTECTED]') });
  });
});

describe('job', () => {
  it('list, show and cancel tell what it does', async () => {
    expect((await person.run(['job', 'list'])).stdout).toMatch(/10b000000000 +protect +db1 +running +37 % +5 min 0 s +5 min 0 s +anna/);
    expect(await person.json(['job', 'list', '--machine', 'web'])).toEqual([]);
    expect(await person.json(['job', 'show', '10b'])).toMatchObject({
      progress: 0.375,
      steps: [{ state: 'succeeded' }, { detail: '45 GiB of 120 GiB' }],
    });
    expect((await person.run(['job', 'show', '10'])).stdout).toMatch(/check what is needed +succeeded +2 s/);
    // The job itself ends it, when it can.
    expect(await person.json(['job', 'cancel', SAMPLE.job])).toMatchObject({ id: SAMPLE.job, state: 'running' });
    expect(await person.run(['job', 'show', 'ff'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('[RESOURCE_NOT_FOUND] job ff'),
    });
  });

  it('watch tells each step once, and goes on where a connection was lost', async () => {
    let looks = 0;
    person.site.script.before = async (method) => {
      if (method !== 'look') return;
      looks += 1;
      if (looks === 3) person.site.cut();
      if (looks !== 6) return;
      const [job] = person.site.script.jobs;
      const copying = job!.steps![1]!;
      Object.assign(copying, { state: JobState.SUCCEEDED, endedUnixMillis: copying.startedUnixMillis! + 61_000n });
      Object.assign(job!, { state: JobState.SUCCEEDED });
    };
    const { status, stdout, stderr } = await person.run(['job', 'watch', '10b']);
    expect({ status, calls: person.site.calls.filter((call) => call === 'JobService.WatchJob').length }).toEqual({ status: 0, calls: 2 });
    expect(stderr.match(/succeeded: check what is needed \(2 s\)/g)).toHaveLength(1);
    expect(stderr).toContain('succeeded: copy the disks, 45 GiB of 120 GiB (1 min 1 s)');
    expect(stdout).toContain('protect db1, succeeded');
  });

  it('watch ends at once when it is told to, with the status of an interruption', async () => {
    const stop = new AbortController();
    const { HoldfastError } = await import('@holdfast/errors');
    let looks = 0;
    person.site.script.before = (method) => {
      if (method === 'look') looks += 1;
      if (looks === 3) stop.abort(new HoldfastError('INTERRUPTED', { thing: 'holdfast', why: 'w', remedy: 'r' }));
    };
    expect(await person.run(['job', 'watch', '10b'], { stop: stop.signal })).toMatchObject({ status: 130, stdout: '' });
  });
});
